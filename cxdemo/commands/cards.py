"""Model cards: what the Hub wants to know of each family of checkpoints, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxdemo import checkpoints


@dataclass(frozen=True, kw_only=True)
class Family:
    """Checkpoints that are published together, and their metadata as the Hub names it.

    Args:
        title: Of the card.
        names: Checkpoints; a section of `checkpoints/README.md` describes them.
        license: As the Hub spells it; "other" needs a name.
        pipeline_tag: The Hub's name of the task.
        license_name: Of a licence that the Hub does not list.
        datasets: That they were trained on, where the Hub has them.
        papers: Numbers of arXiv.
    """

    title: str
    names: tuple[str, ...]
    license: str
    pipeline_tag: str
    license_name: str | None = None
    datasets: tuple[str, ...] = ()
    papers: tuple[str, ...] = field(default=("1803.02077",))

    def metadata(self) -> dict[str, Any]:
        """The front matter of the card."""
        link = {"license_name": self.license_name, "license_link": "README.md"}
        return {
            "license": self.license,
            **(link if self.license == "other" else {}),
            "library_name": "safetensors",
            "pipeline_tag": self.pipeline_tag,
            **({"datasets": list(self.datasets)} if self.datasets else {}),
            "tags": ["contextual-loss", *(f"arxiv:{number}" for number in self.papers)],
        }


IMAGENET = ("ILSVRC/imagenet-1k",)
FAMILIES: Mapping[str, Family] = {
    "vgg16": Family(
        title="VGG16, its convolutions, in float16",
        names=("vgg16",),
        license="cc-by-4.0",
        pipeline_tag="image-feature-extraction",
        datasets=IMAGENET,
        papers=("1409.1556",),
    ),
    "lpips": Family(
        title="LPIPS with AlexNet, in float16",
        names=("lpips",),
        license="other",
        license_name="bsd-2-clause-and-bsd-3-clause",
        pipeline_tag="image-feature-extraction",
        datasets=IMAGENET,
        papers=("1801.03924",),
    ),
    "upscalers": Family(
        title="Compact upscalers, four times the size",
        names=("sr-mse", "sr-cx", "sr-cx-gan"),
        license="mit",
        pipeline_tag="image-to-image",
        papers=("1803.02077", "1803.04626"),
    ),
    "face-finder": Family(
        title="BlazeFace and FaceMesh for torch",
        names=("face-detector", "face-mesh"),
        license="apache-2.0",
        pipeline_tag="keypoint-detection",
        papers=("1907.05047", "1907.06724"),
    ),
    "face-translators": Family(
        title="Face translators, 64 x 64 pixels",
        names=("face-to-drawn", "face-to-female", "face-to-male"),
        license="other",
        license_name="mit-and-terms-of-digiface-1m",
        pipeline_tag="image-to-image",
    ),
}


def write_card(family: Family, *, folder: Path = checkpoints.FOLDER) -> str:
    """The card of a family: its metadata, and its section of `checkpoints/README.md`.

    Links into the project become their text, since nothing of it is in the repository.

    Raises:
        ValueError: The README has no such section.
    """
    from huggingface_hub import ModelCardData

    readme = (folder / "README.md").read_text(encoding="utf-8")
    sections = re.split(r"^(?=## )", readme, flags=re.MULTILINE)
    mine = [text for text in sections if f"`{family.names[0]}`" in text.partition("\n")[0]]
    if not mine:
        raise ValueError(f"checkpoints/README.md has no section on {family.names[0]}.")
    text = re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", mine[0])
    data = ModelCardData(**family.metadata())
    return f"---\n{data.to_yaml()}\n---\n\n# {family.title}\n\n{text}"
