"""Pairs of pictures that teach something about matching, each with what to look at.

Each opens at the layer that `bench match --faces` or `--pairs` calls best for its case:
conv5_1 for what things are, conv4_2 for a turned view, conv3_3 for two views side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from cxdemo import images
from cxdemo.examples import PICTURES, open_picture
from cxdemo.options import Option, check_value, mend_value, read_settings
from cxdemo.pipelines.patch_similarity import PatchSimilarityConfig
from cxdemo.runs.match import HERE, Comparison, Place

SHIFT = 16  # pixels; whole cells at every layer
TURN = 25.0  # degrees
SQUARE = 256  # pixels, of a picture that is changed

PLACE = Option(
    name="place",
    default=(0.5, 0.5),
    help="Where the patch lies: shares of width and height.",
    label="Place",
    minimum=0.0,
    maximum=1.0,
)


@dataclass(frozen=True, kw_only=True)
class MatchExample:
    """Two pictures, settings, a first query, and a lesson.

    Args:
        name: In links.
        title: On its card.
        lesson: What to do and what to see, one or two sentences.
        source: A picture of `cxdemo/examples`.
        target: Another, or a name of `CHANGES`: the source, changed.
        place: Where to point first, as shares of the source.
        changes: Of the default settings.
    """

    name: str
    title: str
    lesson: str
    source: str
    target: str
    place: Place = HERE
    changes: dict[str, Any] = field(default_factory=dict)

    def open(self) -> Comparison:
        """The pictures, the settings and the first query."""
        source, target = self.pictures()
        return Comparison(
            source=source,
            target=target,
            config=PatchSimilarityConfig(**self.changes),
            place=self.place,
            example=self.name,
        )

    def pictures(self) -> tuple[Image.Image, Image.Image]:
        """Source and target."""
        source = open_picture(PICTURES / f"{self.source}.jpg")
        if self.target not in CHANGES:
            return source, open_picture(PICTURES / f"{self.target}.jpg")
        return CHANGES[self.target](source)


def shift(picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Two windows of a picture, one `SHIFT` pixels right of and below the other."""
    larger = ImageOps.fit(picture, (SQUARE + SHIFT, SQUARE + SHIFT), Image.Resampling.LANCZOS)
    return (
        larger.crop((0, 0, SQUARE, SQUARE)),
        larger.crop((SHIFT, SHIFT, SQUARE + SHIFT, SQUARE + SHIFT)),
    )


def turn(picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """A picture, and the same turned by `TURN` degrees, both without corners to fill."""
    larger = ImageOps.fit(picture, (SQUARE * 3 // 2, SQUARE * 3 // 2), Image.Resampling.LANCZOS)
    turned = larger.rotate(TURN, Image.Resampling.BICUBIC)
    edge = SQUARE // 4
    window = (edge, edge, edge + SQUARE, edge + SQUARE)
    return larger.crop(window), turned.crop(window)


def mirror(picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """A picture and its mirror image."""
    square = ImageOps.fit(picture, (SQUARE, SQUARE), Image.Resampling.LANCZOS)
    return square, ImageOps.mirror(square)


CHANGES: dict[str, Callable[[Image.Image], tuple[Image.Image, Image.Image]]] = {
    "shifted": shift,
    "turned": turn,
    "mirrored": mirror,
}

MATCH_EXAMPLES = (
    MatchExample(
        name="faces",
        title="Two faces",
        lesson="Click an eye of Einstein: the same eye of the Mona Lisa gets most of the vote. His "
        "moustache, which she does not have, finds her lips. Then try conv1_2 under Features: it "
        "matches colours, not eyes.",
        source="portrait_einstein_1927",
        target="portrait_monalisa",
        place=(0.38, 0.41),
        changes={"layer": "conv5_1"},
    ),
    MatchExample(
        name="views",
        title="One scene, two views",
        lesson="Two cameras side by side: most patches find themselves, a little to the left. "
        "Look at Where it looks: smooth colours mean that neighbours find neighbours.",
        source="scene_motorcycle_left",
        target="scene_motorcycle_right",
        place=(0.4, 0.62),
        changes={"layer": "conv3_3"},
    ),
    MatchExample(
        name="painting",
        title="Photo and painting",
        lesson="A photo and a painting of 1867: the abbey finds the ramparts' tower, and sky finds "
        "sky. Raise h and watch the choice grow vague.",
        source="photo_mont_st_michel",
        target="painting_bazille_ramparts",
        place=(0.64, 0.4),
        changes={"layer": "conv5_1"},
    ),
    MatchExample(
        name="shifted",
        title="Shifted copy",
        lesson="The copy is moved by 16 pixels. Nine of ten patches that both pictures have find "
        "themselves. Open Place: for the perceptual loss the two have little in common.",
        source="photo_parrot",
        target="shifted",
        place=(0.55, 0.4),
    ),
    MatchExample(
        name="mirrored",
        title="Mirror image",
        lesson="Left becomes right, and the network's filters know left from right: at conv2_2 one "
        "patch in ten finds its mirror image, at conv5_1 about three in four do.",
        source="photo_dog",
        target="mirrored",
        place=(0.4, 0.4),
        changes={"layer": "conv5_1"},
    ),
    MatchExample(
        name="turned",
        title="Turned copy",
        lesson="Turned by 25 degrees. At conv2_2 fewer than half of the patches find themselves, "
        "at conv4_2 more than four in five do: compare the two layers in Where it looks.",
        source="photo_cat_chelsea",
        target="turned",
        place=(0.22, 0.4),
        changes={"layer": "conv4_2"},
    ),
    MatchExample(
        name="animals",
        title="Cat and dog",
        lesson="Click the cat's nose: it finds the dog's. Its eyes find the eye that the dog "
        "shows. No pixel of the two is alike; conv5_1 sees what things are.",
        source="photo_cat_chelsea",
        target="photo_dog",
        place=(0.58, 0.82),
        changes={"layer": "conv5_1"},
    ),
    MatchExample(
        name="unrelated",
        title="Nothing in common",
        lesson="Coffee and a city at night. Every patch must still vote, so it picks the least "
        "bad: five of six patches of the city are claimed by none, and a single one gets a fifth "
        "of all votes. See Claimed.",
        source="photo_coffee",
        target="photo_city_night",
        place=(0.45, 0.5),
        changes={"layer": "conv5_1"},
    ),
)


def find_example(name: str | None) -> MatchExample | None:
    """The example of a name, if there is one."""
    return next((example for example in MATCH_EXAMPLES if example.name == name), None)


def read_settings_file(path: Path, state: Comparison | None) -> Comparison:
    """The comparison of a downloaded JSON; pictures that it cannot name are those shown now.

    Raises:
        ValueError: It holds none.
    """
    read = read_settings(
        PatchSimilarityConfig, images.read_settings_text(path), pipeline="patch_similarity"
    )
    place = mend_value(PLACE, read.rest.get("place"))
    check_value(PLACE, place)
    if len(place) != 2:
        raise ValueError(f"The place must be two shares in [0, 1], got {len(place)}.")
    name = read.rest.get("example")
    example = find_example(name if isinstance(name, str) else None)
    shown = example.open() if example else state or MATCH_EXAMPLES[0].open()
    return replace(shown, config=read.config, place=place)
