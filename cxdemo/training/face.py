"""The face translators behind the shipped checkpoints: a generator, the Contextual Loss, no GAN.

    accelerate launch -m cxdemo.training.face --sources FACES --targets DRAWN --folder RUNS/drawn

Two folders of square pictures of faces are enough; they need not be pairs. `make train-face` is
the same command. `--method cyclegan` trains the peer on the same faces. A run can be stopped at
any moment and started again by the same command: `state.pt` is replaced at every validation and
every two minutes, whole or not at all, and a resumed run repeats an uninterrupted one.
`generator.safetensors` is the running average of the parameters (`back.safetensors` that of the
peer's way back), `validation.png` held-back faces and what becomes of them.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from cxdemo.training.face_config import FaceTrainingConfig
from cxdemo.training.face_data import load_faces
from cxdemo.training.face_run import FaceRun


def main(argv: list[str] | None = None) -> int:
    """Runs the training to its end; prints a line for each validation."""
    args = _parser().parse_args(argv)
    chosen = {
        f.name: getattr(args, f.name)
        for f in fields(FaceTrainingConfig)
        if getattr(args, f.name) is not None
    }
    config = replace(FaceTrainingConfig(), **chosen)
    sources, targets = (
        load_faces(folder, config.size, config.num_validation, config.max_faces)
        for folder in (args.sources, args.targets)
    )
    run = FaceRun(config, args.folder, sources, targets)
    if run.accelerator.is_main_process:
        print(len(sources.train), "sources,", len(targets.train), "targets", config.as_dict())
    for record in run.run():
        if run.accelerator.is_main_process:
            print("  ".join(f"{name} {value:.5g}" for name, value in record.items()), flush=True)
    run.accelerator.end_training()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cxdemo.training.face", description=__doc__)
    parser.add_argument("--sources", type=Path, required=True, help="folder of faces")
    parser.add_argument("--targets", type=Path, required=True, help="folder of faces")
    parser.add_argument("--folder", type=Path, required=True, help="for state and results")
    for f in fields(FaceTrainingConfig):
        flag = "--" + f.name.replace("_", "-")
        if isinstance(f.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction)
        else:
            kind: dict[str, Any] = {"type": type(f.default)}
            if isinstance(f.default, tuple):
                kind = {"type": _split_numbers if f.name == "channels" else _split}
            parser.add_argument(flag, metavar="X", help=f"default: {f.default}", **kind)
    return parser


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _split_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    raise SystemExit(main())
