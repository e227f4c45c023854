"""How good face translators are: who believes them, what they keep, how long they take.

    python -m cxdemo.training.judge_face --sources FACES --targets DRAWN \
        --generators cx=RUNS/drawn/generator.safetensors cyclegan=RUNS/peer/generator.safetensors

On the faces that training held back. `--save FOLDER` writes every result as a PNG for other judges,
and sheets of 64 random faces with what became of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from cxdemo import images
from cxdemo.contextual import contextual_loss
from cxdemo.faces import Face, FaceFinder, load_face_finder
from cxdemo.features import load_features
from cxdemo.images import resize
from cxdemo.metrics import load_perceptual_distance
from cxdemo.networks import CascadedRefinement
from cxdemo.training.face_data import Faces, load_faces

SIZE, NUM_HELD, MAX_FACES = 64, 500, 2000
NUM_SHOWN, NUM_LEARNT = 64, 400
RIDGE = 10.0
SEEN_AT = 192
"""Side at which the mesh looks at a face, pixels."""

Describe = Callable[[Tensor], Tensor]


class LinearJudge:
    """Tells two domains apart, by ridge regression on statistics of a network's features.

    Args:
        describe: Faces (N, 3, S, S) -> vectors (N, D).
        sources: Faces of the one domain.
        targets: Faces of the other.
    """

    def __init__(self, describe: Describe, sources: Tensor, targets: Tensor) -> None:
        self.describe = describe
        x = torch.cat([describe(sources), describe(targets)])  # (N, D)
        self.mean, self.scale = x.mean(dim=0), x.std(dim=0) + 1e-6
        x = (x - self.mean) / self.scale
        wanted = torch.cat([-torch.ones(len(sources)), torch.ones(len(targets))])
        kernel = x @ x.T + RIDGE * torch.eye(len(x))
        self.weights = x.T @ torch.linalg.solve(kernel, wanted)  # (D,)

    def share(self, faces: Tensor) -> float:
        """Percentage of faces that it takes for targets."""
        scores = (self.describe(faces) - self.mean) / self.scale @ self.weights
        return 100 * float((scores > 0).float().mean())


def statistics(maps: list[Tensor]) -> Tensor:
    """Mean and deviation of each channel of some maps (N, C, H, W), (N, 2 sum of C)."""
    parts = [torch.cat([m.mean(dim=(2, 3)), m.std(dim=(2, 3))], dim=1) for m in maps]
    return torch.cat(parts, dim=1)


def load_judges(sources: Tensor, targets: Tensor) -> dict[str, LinearJudge]:
    """Two judges that see with different networks: VGG16, as the loss does, and AlexNet."""
    vgg = load_features("vgg16", ("conv3_2", "conv4_2"), pooling="average", dtype=torch.float32)
    alexnet = load_perceptual_distance()

    def describe(look: Callable[[Tensor], list[Tensor]]) -> Describe:
        return lambda faces: torch.cat([statistics(look(part)) for part in faces.split(50)])

    looks = {
        "VGG16": lambda part: list(vgg(part).values()),
        "AlexNet": lambda part: alexnet.features(part)[2:],
    }
    with torch.no_grad():
        return {
            name: LinearJudge(describe(look), sources[:NUM_LEARNT], targets[:NUM_LEARNT])
            for name, look in looks.items()
        }


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was measured of some results.

    Args:
        shares: Percentage taken for targets, by judge.
        to_source: CX to the source at conv4_2 with h 0.2, the mean.
        landmarks: Mean distance between the landmarks of source and result, in percent of the
            distance between the eyes; the median over faces that the mesh sees in both.
        seen: Percentage of those faces.
        spread: Standard deviation of a pixel between the results.
        milliseconds: Of the generator, a face.
    """

    shares: dict[str, float]
    to_source: float
    landmarks: float
    seen: float
    spread: float
    milliseconds: float


@torch.no_grad()
def judge(
    sources: Tensor,
    results: Tensor,
    judges: dict[str, LinearJudge],
    finder: FaceFinder,
    traced: list[Face | None],
    milliseconds: float = 0.0,
) -> Verdict:
    """Measures results of some sources.

    Args:
        sources: (N, 3, S, S) in [0, 1].
        results: What became of them, (N, 3, S, S).
        judges: See `load_judges`.
        finder: Sees landmarks.
        traced: Of the sources.
        milliseconds: What the generator took.
    """
    features = load_features("vgg16", ("conv4_2",), pooling="average")
    losses = [
        contextual_loss(features(x)["conv4_2"], features(y)["conv4_2"], bandwidth=0.2)
        for x, y in zip(results.split(50), sources.split(50), strict=True)
    ]
    pairs = zip(traced, trace(results, finder), strict=True)
    moved = [landmark_distance(a, b) for a, b in pairs if a and b]
    return Verdict(
        shares={name: each.share(results) for name, each in judges.items()},
        to_source=float(torch.stack(losses).mean()),
        landmarks=float(torch.tensor(moved).median()) if moved else float("nan"),
        seen=100 * len(moved) / len(sources),
        spread=float(results.std(dim=0).mean()),
        milliseconds=milliseconds,
    )


def trace(faces: Tensor, finder: FaceFinder) -> list[Face | None]:
    """Landmarks of aligned faces (N, 3, S, S); None where none is seen."""
    return [finder.trace(resize(face, (SEEN_AT, SEEN_AT)).clamp(0, 1)) for face in faces.split(1)]


def landmark_distance(source: Face, result: Face) -> float:
    """Mean distance of the landmarks of two faces, percent of the source's eye distance."""
    apart = (source.landmarks - result.landmarks).norm(dim=1).mean()
    return 100 * float(apart) / source.eye_distance


@torch.no_grad()
def apply(network: nn.Module, faces: Tensor) -> tuple[Tensor, float]:
    """Results (N, 3, S, S), and milliseconds a face, one by one as the app does it."""
    network(faces[:1])
    began = time.perf_counter()
    made = torch.cat([network(face) for face in faces.split(1)]).clamp(0, 1)
    return made, 1000 * (time.perf_counter() - began) / len(faces)


def load_generator(path: Path) -> nn.Module:
    """A generator of a run, or the file of a shipped one."""
    network = CascadedRefinement()
    network.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return network.eval()


def main(argv: list[str] | None = None) -> int:
    """Prints the table."""
    args = _parser().parse_args(argv)
    sources, targets = (
        load_faces(folder, SIZE, args.num_held, MAX_FACES)
        for folder in (args.sources, args.targets)
    )
    judges, finder = load_judges(sources.train, targets.train), load_face_finder()
    traced = trace(sources.held, finder)
    rows = {"source, as it is": judge(sources.held, sources.held, judges, finder, traced)}
    for text in args.generators:
        name, _, path = text.partition("=")
        made, milliseconds = apply(load_generator(Path(path)), sources.held)
        rows[name] = judge(sources.held, made, judges, finder, traced, milliseconds)
        if args.save:
            save(args.save, name, sources, made)
    print_table(rows)
    real = {name: round(each.share(targets.held), 1) for name, each in judges.items()}
    print(f"\nOf the held-back targets themselves the judges take for such, in percent: {real}.")
    return 0


def print_table(rows: dict[str, Verdict]) -> None:
    """As Markdown."""
    names = next(iter(rows.values())).shares
    heads = [
        "", *(f"taken for a target by {name}, %" for name in names), "CX to the source",
        "landmarks moved, % of the eyes' distance", "faces seen, %", "spread", "ms a face",
    ]  # fmt: skip
    print("| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    for name, row in rows.items():
        cells = [f"{share:.1f}" for share in row.shares.values()]
        cells += [
            f"{row.to_source:.2f}", f"{row.landmarks:.1f}", f"{row.seen:.0f}",
            f"{row.spread:.3f}", f"{row.milliseconds:.0f}",
        ]  # fmt: skip
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def save(folder: Path, name: str, sources: Faces, made: Tensor) -> None:
    """Writes the results one by one, and 64 random ones below their sources."""
    single = folder / name
    single.mkdir(parents=True, exist_ok=True)
    for index, face in enumerate(made.split(1)):
        images.save_png(F.interpolate(face, scale_factor=2, mode="bicubic").clamp(0, 1),
                        single / f"{index:04d}.png")  # fmt: skip
    count = min(NUM_SHOWN, len(made))
    dice = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(made), generator=dice)[:count].tolist()
    rows: list[list[Tensor]] = []
    for start in range(0, count, 16):
        some = chosen[start : start + 16]
        rows += [[all_faces[i : i + 1] for i in some] for all_faces in (sources.held, made)]
    images.contact_sheet(rows).save(folder / f"{name}.png")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cxdemo.training.judge_face", description=__doc__
    )
    parser.add_argument("--sources", type=Path, required=True, help="folder of faces")
    parser.add_argument("--targets", type=Path, required=True, help="folder of faces")
    parser.add_argument(
        "--generators", nargs="+", required=True, metavar="NAME=FILE", help="safetensors"
    )
    parser.add_argument("--save", type=Path, help="folder for results and sheets")
    parser.add_argument("--num-held", type=int, default=NUM_HELD, help="faces held back")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
