"""A trained upscaler as a checkpoint of the app: the safetensors file and its record.

    python -m cxdemo.training.export_upscaler --network RUN/cx/best.safetensors --name cx \
        --out checkpoints/

It writes `sr_cx.safetensors` and prints the `shards` and `tensors` of the record `sr-cx` in
`checkpoints/manifest.json`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from cxdemo.networks import compact_upscaler

NAMES = ("mse", "cx", "cx-gan")


def export(network: Path, name: str, out: Path) -> dict[str, Any]:
    """Writes the file of a checkpoint; returns what the manifest says of it.

    Raises:
        ValueError: The parameters are not those of the compact upscaler.
    """
    state = load_file(network)
    expected = {key: value.shape for key, value in compact_upscaler().state_dict().items()}
    if {key: value.shape for key, value in state.items()} != expected:
        raise ValueError(f"{network} has not the parameters of the compact upscaler: name another.")
    path = out / f"sr_{name.replace('-', '_')}.safetensors"
    save_file(state, path, {"format": "pt", "license": "MIT", "source": "cxdemo, make train-sr"})
    return {
        "shards": [
            {
                "file": path.name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "tensors": list(state),
            }
        ],
        "tensors": {key: list(value.shape) for key, value in state.items()},
    }


def main(argv: list[str] | None = None) -> int:
    """Command line of this file."""
    parser = argparse.ArgumentParser(prog="python -m cxdemo.training.export_upscaler")
    parser.add_argument("--network", type=Path, required=True, help="safetensors of a run")
    parser.add_argument("--name", choices=NAMES, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the file")
    args = parser.parse_args(argv)
    print(json.dumps(export(args.network, args.name, args.out), indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
