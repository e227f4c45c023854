"""A trained network of our own as a checkpoint of the app: its file, its record in the manifest."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn


def read_parameters(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """The parameters of a file, if they are those of the network.

    Raises:
        ValueError: They are not.
    """
    state = load_file(path)
    expected = {key: value.shape for key, value in network.state_dict().items()}
    if {key: value.shape for key, value in state.items()} != expected:
        raise ValueError(
            f"{path} has not the parameters of the app's {type(network).__name__}: name another."
        )
    return state


def store(
    state: dict[str, Tensor], path: Path, *, description: str, source: str, terms: str = "MIT"
) -> dict[str, Any]:
    """Writes the file of a network of our own; returns its record for the manifest."""
    save_file(state, path, {"format": "pt"})  # one key: more have no fixed order
    return {
        "description": description,
        "license": terms,
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


def run_export(
    argv: list[str] | None,
    export: Callable[[Path, str, Path], dict[str, Any]],
    *,
    module: str,
    names: Collection[str],
    prefix: str,
) -> int:
    """The command line of an export: writes the file and its record, and prints the file.

    Args:
        argv: Arguments. None: those of the process.
        export: Called with the network's file, its name and the folder; returns the record.
        module: Whose command it is.
        names: That it may have.
        prefix: Of the name in the manifest.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--network", type=Path, required=True, help="safetensors of a run")
    parser.add_argument("--name", choices=tuple(names), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the file")
    args = parser.parse_args(argv)
    record = export(args.network, args.name, args.out)
    write_record(args.out / "manifest.json", f"{prefix}-{args.name}", record)
    print(args.out / record["shards"][0]["file"])
    return 0
