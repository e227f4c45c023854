"""A trained face translator as a checkpoint of the app: the safetensors file and its record.

    python -m cxdemo.training.export_face --network RUNS/drawn/generator.safetensors \
        --name to-drawn --out checkpoints/

It writes `face_to_drawn.safetensors` and the record `face-to-drawn` of `manifest.json` beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from cxdemo.networks import CascadedRefinement
from cxdemo.training.export_upscaler import store, write_record

SOURCES = {
    "to-drawn": "this project, trained on faces drawn by gan-face-generate and facesjs",
    "to-female": "this project, trained on faces drawn by gan-face-generate",
    "to-male": "this project, trained on faces drawn by gan-face-generate",
}


def export(network: Path, name: str, out: Path) -> dict[str, Any]:
    """Writes the file of a checkpoint; returns its record.

    Raises:
        ValueError: The parameters are not those of the generator.
    """
    state = load_file(network)
    expected = {key: value.shape for key, value in CascadedRefinement().state_dict().items()}
    if {key: value.shape for key, value in state.items()} != expected:
        raise ValueError(f"{network} has not the parameters of the generator: name another.")
    return store(
        state,
        out / f"face_{name.replace('-', '_')}.safetensors",
        description=f"Face translator {name}, 64 x 64, trained on the Contextual Loss",
        source=SOURCES[name],
    )


def main(argv: list[str] | None = None) -> int:
    """Command line of this file."""
    parser = argparse.ArgumentParser(prog="python -m cxdemo.training.export_face")
    parser.add_argument("--network", type=Path, required=True, help="safetensors of a run")
    parser.add_argument("--name", choices=tuple(SOURCES), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the file")
    args = parser.parse_args(argv)
    record = export(args.network, args.name, args.out)
    write_record(args.out / "manifest.json", f"face-{args.name}", record)
    print(args.out / record["shards"][0]["file"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
