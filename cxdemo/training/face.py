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
from pathlib import Path

from cxdemo.training.face_config import FaceTrainingConfig
from cxdemo.training.face_data import load_faces
from cxdemo.training.face_run import FaceRun
from cxdemo.training.flags import add_flags, print_records, read_flags


def main(argv: list[str] | None = None) -> int:
    """Runs the training to its end; prints a line for each validation."""
    args = _parser().parse_args(argv)
    config = read_flags(args, FaceTrainingConfig())
    sources, targets = (
        load_faces(folder, config.size, config.num_validation, config.max_faces)
        for folder in (args.sources, args.targets)
    )
    run = FaceRun(config, args.folder, sources, targets)
    counts = len(sources.train), "sources,", len(targets.train), "targets"
    print_records(run, *counts, config.as_dict())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cxdemo.training.face", description=__doc__)
    parser.add_argument("--sources", type=Path, required=True, help="folder of faces")
    parser.add_argument("--targets", type=Path, required=True, help="folder of faces")
    parser.add_argument("--folder", type=Path, required=True, help="for state and results")
    add_flags(parser, FaceTrainingConfig)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
