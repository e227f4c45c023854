"""python -m cxdemo sr: enlarge a picture, or all pictures of a folder, four times."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from PIL import Image

from cxdemo import images
from cxdemo.checkpoints import CheckpointError
from cxdemo.commands.outputs import (
    ExistsError,
    Output,
    OutputError,
    check_folder,
    identities,
    name_results,
    place_in,
)
from cxdemo.commands.settings import add_result_flags, choose_config, choose_result
from cxdemo.commands.terminal import draw_bar
from cxdemo.networks import Upscaler
from cxdemo.options import read_settings
from cxdemo.pipelines.super_resolution import (
    SCALE,
    SuperResolutionConfig,
    load_upscaler,
    prepare_layers,
    upscale,
)

PIPELINE = "super_resolution"
MARK = f"-x{SCALE}"  # of a result that lies beside its source


@dataclass(kw_only=True)
class Report:
    """What became of the files of a run."""

    config: SuperResolutionConfig
    results: list[dict[str, Any]] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def tell_passed_over(self) -> None:
        """Says which members of the folder are left as they are."""
        for name, why in self.passed_over.items():
            print(f"cxdemo: passed over {name}: {why}", file=sys.stderr)

    def fail(self, path: Path, error: Exception) -> None:
        """Says which file could not be enlarged."""
        self.failed[path.name] = str(error)
        print(f"cxdemo: {path.name}: {error}", file=sys.stderr)

    def settings(self) -> dict[str, Any]:
        """What a result carries."""
        return {"made_by": "cxdemo", "pipeline": PIPELINE, "config": self.config.as_dict()}

    def as_json(self) -> str:
        """All of it."""
        told = {"results": self.results, "passed_over": self.passed_over, "failed": self.failed}
        return json.dumps(self.settings() | told, indent=2)


def add_parser(commands: Any) -> None:
    """Adds the command."""
    sr: argparse.ArgumentParser = commands.add_parser(
        "sr", help="enlarge a picture, or a folder of them, four times"
    )
    sr.add_argument("input", help="image file, or folder")
    add_result_flags(
        sr,
        images.WRITABLE,
        more="picture to write",
        told="what was made",
        kind=SuperResolutionConfig,
    )
    sr.set_defaults(command=run_sr)


def run_sr(args: argparse.Namespace) -> int:
    """Enlarges a picture, or all pictures of a folder."""
    source = Path(args.input)
    config = choose_config(args, SuperResolutionConfig, pipeline=PIPELINE)
    report = Report(config=config)
    if source.is_dir():
        _enlarge_folder(source, Path(args.output), report, args)
    else:
        usual = f"{source.stem}{MARK}.png"
        output = choose_result(args, args.input, endings=images.WRITABLE, usual=usual)
        _enlarge(source, output, report, quiet=args.json)
    if args.json:
        print(report.as_json())
    return 1 if report.failed else 0


def _enlarge_folder(source: Path, folder: Path, report: Report, args: argparse.Namespace) -> None:
    """Names what is passed over and what fails, and goes on."""
    pictures = _choose_pictures(source, report)
    if not os.path.lexists(folder) and folder.suffix.lower() in images.WRITABLE:
        raise OutputError(f"{source} is a folder and {folder} is named like a file: name a folder.")
    check_folder(folder)
    beside = folder.is_dir() and folder.samefile(source)
    taken = [path.name for path in pictures] if beside else []
    names = name_results(pictures, ending=".png", mark=MARK if beside else "", taken=taken)
    inputs = identities([*pictures, *filter(None, [args.settings])])
    planned: dict[Path, Output] = {}
    for path in pictures:
        try:
            planned[path] = place_in(folder, names[path], inputs=inputs, overwrite=args.overwrite)
        except ExistsError:
            why = f"{names[path]} exists already, --overwrite would replace it"
            report.passed_over[path.name] = why
        except OutputError as error:
            report.fail(path, error)
    report.tell_passed_over()
    for path, output in planned.items():
        try:
            _enlarge(path, output, report, quiet=args.json)
        except CheckpointError:
            raise  # no other picture would fare better
        except (ValueError, OSError) as error:
            report.fail(path, error)


def _choose_pictures(folder: Path, report: Report) -> list[Path]:
    """The files of a folder that are pictures by their names, and no results of this command.

    Raises:
        ValueError: There is none.
    """
    members = {path: _why_not(path) for path in sorted(folder.iterdir())}
    report.passed_over |= {path.name: why for path, why in members.items() if why}
    pictures = [path for path, why in members.items() if not why]
    if not pictures:
        some = [f"{name} ({why})" for name, why in report.passed_over.items()][:3]
        passed = f" Passed over: {', '.join(some)} ..." if some else ""
        raise ValueError(f"{folder} holds no picture to enlarge.{passed}")
    return pictures


def _why_not(path: Path) -> str:
    """Why a member of a folder is not enlarged; empty: it is."""
    if path.is_dir():
        return "a folder"
    if not path.exists():
        return "a link that leads nowhere"
    if not path.is_file():
        return "no file"
    if path.name.startswith("."):
        return "a hidden file"
    if path.suffix.lower() not in images.PICTURES:
        return "no picture by its name"
    return "made by this command; name it alone to enlarge it again" if _is_result(path) else ""


def _is_result(path: Path) -> bool:
    try:
        text = images.read_settings_text(path)
        read_settings(SuperResolutionConfig, text, pipeline=PIPELINE)
    except (ValueError, OSError):
        return False  # what cannot be read is said when its turn comes
    return True


def _enlarge(source: Path, output: Output, report: Report, *, quiet: bool) -> None:
    """One picture to a file that carries its settings."""
    picture, alpha = images.load_with_alpha(source)
    _check_format(output.path, picture)
    low_res, alpha = prepare_layers(picture, alpha)
    network = _load_upscaler(report.config.checkpoint)
    last = None
    for last in upscale(low_res, network, report.config):
        text = f"{source.name}, about {last.seconds_left:.0f} s left"
        draw_bar("sr", last.index, last.total, text)
    if last is None:
        return
    if alpha is not None and images.WRITABLE[output.path.suffix.lower()] == "JPEG":
        print(f"cxdemo: {output.path.name}: a JPEG is opaque, so it lies on white", file=sys.stderr)
    result = last.canvas.to_pil(alpha)
    file = output.write(
        partial(images.save_picture, result, settings=report.settings(), keep_alpha=True)
    )
    report.results.append(
        {"input": str(source), "file": str(file), "size": list(result.size),
         "seconds": round(last.seconds, 2)}
    )  # fmt: skip
    if not quiet:
        print(file)


def _check_format(file: Path, picture: Image.Image) -> None:
    """Raises before the work if the result would be too large for its format."""
    kind = images.WRITABLE[file.suffix.lower()]
    side, longest = SCALE * max(picture.size), images.LONGEST_SIDE.get(kind)
    if longest is not None and side > longest:
        raise ValueError(
            f"{file.name} would have {side} pixels, but a {kind} has at most {longest}: choose "
            ".png or .tif."
        )


@cache
def _load_upscaler(name: str) -> Upscaler:
    return load_upscaler(name)
