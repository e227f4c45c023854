"""A trained face translator as a checkpoint of the app: the safetensors file and its record.

    python -m cxdemo.training.export_face --network RUNS/drawn/generator.safetensors \
        --name to-drawn --out checkpoints/

It writes `face_to_drawn.safetensors` and the record `face-to-drawn` of `manifest.json` beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cxdemo.networks import CascadedRefinement
from cxdemo.training.records import read_parameters, run_export, store

SOURCES = {
    "to-drawn": "this project, trained on faces drawn by gan-face-generate and facesjs",
    "to-female": "this project, trained on faces drawn by gan-face-generate",
    "to-male": "this project, trained on faces drawn by gan-face-generate",
}

TERMS = (
    "MIT (the weights); learnt from draws of a GAN trained on DigiFace-1M, which is for "
    "non-commercial research, as far as known"
)


def export(network: Path, name: str, out: Path) -> dict[str, Any]:
    """Writes the file of a checkpoint; returns its record.

    Raises:
        ValueError: The parameters are not those of the generator.
    """
    state = read_parameters(network, CascadedRefinement())
    return store(
        state,
        out / f"face_{name.replace('-', '_')}.safetensors",
        description=f"Face translator {name}, 64 x 64, trained on the Contextual Loss",
        source=SOURCES[name],
        terms=TERMS,
    )


def main(argv: list[str] | None = None) -> int:
    """Command line of this file."""
    return run_export(
        argv, export, module="cxdemo.training.export_face", names=SOURCES, prefix="face"
    )


if __name__ == "__main__":
    raise SystemExit(main())
