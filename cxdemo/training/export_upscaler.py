"""A trained upscaler as a checkpoint of the app: the safetensors file and its record.

    python -m cxdemo.training.export_upscaler --network RUNS/cx/best.safetensors --name cx \
        --out checkpoints/

It writes `sr_cx.safetensors` and the record `sr-cx` of `manifest.json` beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cxdemo.networks import compact_upscaler
from cxdemo.training.records import read_parameters, run_export, store

DESCRIPTIONS = {
    "mse": "Upscaler x4, compact, trained on the squared error",
    "cx": "Upscaler x4, compact, trained on the Contextual Loss and low frequencies",
    "cx-gan": "Upscaler x4, compact, trained as sr-cx and against a discriminator",
}


def export(network: Path, name: str, out: Path) -> dict[str, Any]:
    """Writes the file of a checkpoint; returns its record.

    Raises:
        ValueError: The parameters are not those of the compact upscaler.
    """
    state = read_parameters(network, compact_upscaler())
    return store(
        state,
        out / f"sr_{name.replace('-', '_')}.safetensors",
        description=DESCRIPTIONS[name],
        source="this project, trained on photos of Debian packages",
    )


def main(argv: list[str] | None = None) -> int:
    """Command line of this file."""
    return run_export(
        argv,
        export,
        module="cxdemo.training.export_upscaler",
        names=DESCRIPTIONS,
        prefix="sr",
    )


if __name__ == "__main__":
    raise SystemExit(main())
