"""Upscalers against each other on photos that none of ours has seen.

    python -m cxdemo bench sr --photos FOLDER [FOLDER ...] [--peers PEERS] [--sheet sheet.png]

Every photo is cropped to at most 1024 pixels a side, shrunk four times (antialiased bicubic,
8 bits), enlarged by each method, and compared with itself. Ours run as the app runs them, with
back-projection. PEERS is a folder of packages that need not be there, see `upscaler_peers`;
BRISQUE, a score without a truth, is that of the PyPI package brisque in the same folder:

    pip install --no-deps --target PEERS brisque==0.2.0 libsvm-official opencv-python-headless
    pip install --target PEERS requests
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from cxdemo import images
from cxdemo.bench.upscaler_peers import Upscale, load_peers
from cxdemo.metrics import psnr_y
from cxdemo.networks import Upscaler
from cxdemo.pipelines.super_resolution import (
    CHECKPOINTS,
    SCALE,
    Judges,
    SuperResolutionConfig,
    load_judges,
    load_upscaler,
    measure,
    prepare_test,
    upscale,
)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
COLUMNS = {
    "psnr": "PSNR-Y, dB",
    "ssim": "SSIM-Y",
    "lpips": "LPIPS",
    "brisque": "BRISQUE",
    "cx": "CX",
    "low": "PSNR of low frequencies, dB",
    "seconds": "seconds per megapixel",
    "memory": "memory, MB",
}
LOW_SIGMA = 3.0
"""Standard deviation in pixels of the blur that leaves the low frequencies."""
CELL = 160
"""Side of a crop on the contact sheet, pixels."""


def build_methods(peers: Path | None, back_projection: int) -> dict[str, Upscale]:
    """All methods, by name: (1, 3, H, W) in [0, 1] -> (1, 3, 4 H, 4 W) in [0, 1]."""
    methods: dict[str, Upscale] = {
        "bicubic": lambda low_res: _enlarge(low_res, Image.Resampling.BICUBIC),
        "lanczos": lambda low_res: _enlarge(low_res, Image.Resampling.LANCZOS),
    }
    config = SuperResolutionConfig(back_projection=back_projection)
    for name in CHECKPOINTS:
        methods[name] = _run_pipeline(load_upscaler(name), config)
    return methods | (load_peers(peers) if peers else {})


def choose(methods: dict[str, Upscale], names: Sequence[str] | None) -> dict[str, Upscale]:
    """The methods with these names; all where none is named.

    Raises:
        ValueError: There is no such method, or its peer is not there.
    """
    for name in names or ():
        if name not in methods:
            raise ValueError(f"Expected methods out of {', '.join(methods)}, got {name!r}.")
    return {name: methods[name] for name in names or methods}


def _enlarge(low_res: Tensor, filter_: Image.Resampling) -> Tensor:
    picture = images.to_pil(low_res)
    return images.to_tensor(
        picture.resize((SCALE * picture.width, SCALE * picture.height), filter_)
    )


def _run_pipeline(network: Upscaler, config: SuperResolutionConfig) -> Upscale:
    def run(low_res: Tensor) -> Tensor:
        *_, last = upscale(low_res, network, config)
        return last.canvas.to_tensor()

    return run


def list_photos(folders: Sequence[Path]) -> list[Path]:
    """The photos in folders, by name.

    Raises:
        ValueError: There is none, or no such folder.
    """
    return images.list_pictures(*folders, endings=SUFFIXES)


def low_frequency_psnr(upscaled: Tensor, truth: Tensor) -> float:
    """PSNR of the luma after a Gaussian blur, in dB: whether colours and shading are right."""
    x, y = (images.blur(image, LOW_SIGMA) for image in (upscaled, truth))
    return float(psnr_y(x, y))


def load_brisque(peers: Path | None) -> Callable[[Tensor], float] | None:
    """BRISQUE (Mittal, Moorthy, Bovik, 2012): lower is more natural; None where it is not there."""
    if peers is None:
        return None
    sys.path.append(str(peers))
    try:
        from brisque import BRISQUE  # pyright: ignore[reportMissingImports] - for this bench only
    except ImportError as error:
        print(f"BRISQUE is left out: {error}", file=sys.stderr)
        return None
    finally:
        sys.path.remove(str(peers))
    model = BRISQUE(url=False)
    scale = model.scale_features
    # Version 0.2.0 makes features of shape (1,), which NumPy 2.4 no longer takes for numbers.
    model.scale_features = lambda values: scale([np.asarray(value).item() for value in values])
    return lambda image: float(model.score(np.asarray(images.to_pil(image))))


def bench_photo(
    truth: Tensor,
    low_res: Tensor,
    methods: dict[str, Upscale],
    judges: Judges,
    brisque: Callable[[Tensor], float] | None,
) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
    """For each method its name, its picture and its figures."""
    for name, method in methods.items():
        _reset_peak()
        before, start = _resident(), time.perf_counter()
        upscaled = method(low_res)
        seconds = time.perf_counter() - start
        figures = measure(upscaled, truth, judges)._asdict()
        figures["seconds"] = seconds / (truth.shape[2] * truth.shape[3] / 1e6)
        figures["memory"] = (_peak() - before) / 1e6
        figures["low"] = low_frequency_psnr(upscaled, truth)
        if brisque:
            figures["brisque"] = brisque(upscaled)
        yield name, upscaled, figures


# -------------------------------------------------------------------- memory, where Linux tells it


def _reset_peak() -> None:
    file = Path("/proc/self/clear_refs")
    if file.exists():
        file.write_text("5", encoding="ascii")  # VmHWM starts again from what is resident now


def _status(key: str) -> float:
    file = Path("/proc/self/status")
    lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith(key)), 0.0)


def _resident() -> float:
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


# ------------------------------------------------------------------------------- what is printed


def format_table(rows: dict[str, list[dict[str, float]]]) -> str:
    """Means over the photos, a row for each method, in Markdown; memory is the largest."""
    known = [key for key in COLUMNS if key in next(iter(rows.values()))[0]]
    lines = [
        "| | " + " | ".join(COLUMNS[key] for key in known) + " |",
        "|---" * (len(known) + 1) + "|",
    ]
    for name, figures in rows.items():
        cells = [_cell(key, [each[key] for each in figures]) for key in known]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(key: str, values: list[float]) -> str:
    value = max(values) if key == "memory" else sum(values) / len(values)
    digits = {"psnr": 2, "low": 2, "ssim": 4, "lpips": 4, "cx": 4, "brisque": 1, "seconds": 2}
    return f"{value:.{digits.get(key, 0)}f}"


def busiest_crop(truth: Tensor) -> tuple[int, int]:
    """Top and left of the crop of the contact sheet: where neighbouring pixels differ most."""
    light = images.luma(truth)[0, 0]  # (H, W)
    detail = (light[1:, 1:] - light[:-1, :-1]).abs()[None, None]
    means = F.avg_pool2d(detail, CELL - 1, stride=8)[0, 0]
    row, column = divmod(int(means.argmax()), means.shape[1])
    return 8 * row, 8 * column


def main(argv: list[str] | None = None) -> int:
    """Runs the comparison and prints the table."""
    args = _parser().parse_args(argv)
    methods = choose(build_methods(args.peers, args.back_projection), args.methods)
    judges, brisque = load_judges(), load_brisque(args.peers)
    if args.save:
        args.save.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    crops: list[list[Tensor]] = []
    for path in list_photos(args.photos):
        truth, low_res = prepare_test(images.to_tensor(images.load(path)))
        top, left = busiest_crop(truth)
        crops.append([])
        for name, upscaled, figures in bench_photo(truth, low_res, methods, judges, brisque):
            rows[name].append(figures)
            crops[-1].append(upscaled[..., top : top + CELL, left : left + CELL])
            if args.save:
                images.save_png(upscaled, args.save / f"{path.stem}__{name}.png")
        crops[-1].append(truth[..., top : top + CELL, left : left + CELL])
        shown = {name: round(values[-1]["lpips"], 3) for name, values in rows.items()}
        print(f"{path.name}: LPIPS {json.dumps(shown)}", file=sys.stderr, flush=True)
    print(json.dumps(rows, indent=2) if args.json else format_table(rows))
    if args.sheet:
        images.contact_sheet(crops, labels=[*methods, "truth"]).save(args.sheet)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cxdemo bench sr", description=__doc__)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders of photos")
    parser.add_argument("--peers", type=Path, help="folder of the peers' packages")
    parser.add_argument("--sheet", type=Path, help="PNG to write: a crop of each photo and method")
    parser.add_argument("--methods", nargs="+", help="only these")
    parser.add_argument("--save", type=Path, help="folder for every enlarged photo; made if needed")
    parser.add_argument("--json", action="store_true", help="print the figures of every photo")
    parser.add_argument(
        "--back-projection", type=int, default=SuperResolutionConfig().back_projection
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
