"""A trained upscaler as a checkpoint of the app: the safetensors file and its record.

    python -m cxdemo.training.export_upscaler --network RUNS/cx/best.safetensors --name cx \
        --out checkpoints/

It writes `sr_cx.safetensors` and the record `sr-cx` of `manifest.json` beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from cxdemo.networks import compact_upscaler

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
    state = load_file(network)
    expected = {key: value.shape for key, value in compact_upscaler().state_dict().items()}
    if {key: value.shape for key, value in state.items()} != expected:
        raise ValueError(f"{network} has not the parameters of the compact upscaler: name another.")
    return store(
        state,
        out / f"sr_{name.replace('-', '_')}.safetensors",
        description=DESCRIPTIONS[name],
        source="this project, trained on photos of Debian packages",
    )


def store(state: dict[str, Tensor], path: Path, *, description: str, source: str) -> dict[str, Any]:
    """Writes the file of a network of our own; returns its record for the manifest."""
    save_file(state, path, {"format": "pt"})  # one key: more have no fixed order
    return {
        "description": description,
        "license": "MIT",
        "source": source,
        "fallback": None,
        "repo": None,
        "revision": None,
        "file": None,
        "sha256": None,
        "dtype": "F32",
        "shards": [
            {
                "file": path.name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "tensors": list(state),
            }
        ],
        "tensors": {key: list(value.shape) for key, value in state.items()},
    }


def write_record(manifest: Path, name: str, record: dict[str, Any]) -> None:
    """Puts a record into a manifest, whose lists of numbers stay on one line."""
    records = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    text = json.dumps(records | {name: record}, indent=2)
    text = re.sub(r"\[[\s\d.,-]+\]", lambda numbers: _on_one_line(numbers[0]), text)
    manifest.write_text(text + "\n", encoding="utf-8")


def _on_one_line(numbers: str) -> str:
    return json.dumps(json.loads(numbers))


def main(argv: list[str] | None = None) -> int:
    """Command line of this file."""
    parser = argparse.ArgumentParser(prog="python -m cxdemo.training.export_upscaler")
    parser.add_argument("--network", type=Path, required=True, help="safetensors of a run")
    parser.add_argument("--name", choices=tuple(DESCRIPTIONS), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the file")
    args = parser.parse_args(argv)
    record = export(args.network, args.name, args.out)
    write_record(args.out / "manifest.json", f"sr-{args.name}", record)
    print(args.out / record["shards"][0]["file"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
