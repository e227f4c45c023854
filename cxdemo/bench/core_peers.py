"""The core beside the implementations of the Contextual Loss that people use.

    python -m cxdemo bench core --peers FOLDER

FOLDER holds checkouts of public repositories, each under its own name; those that are missing are
left out:

    S-aiueo32/contextual_loss_pytorch    z-bingo/Contextual-Loss-PyTorch
    microsoft/CoCosNet                   TropComplique/contextual-loss

Each is asked for the loss of the same features. What is right is the float64 oracle: the equations
as three nested loops would compute them, here as dense tensors.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxdemo.bench.dense import dense_loss
from cxdemo.bench.memory import peak_bytes
from cxdemo.contextual import contextual_loss

Loss = Callable[[Tensor, Tensor, float], Tensor]

FILES = {
    "S-aiueo32": "contextual_loss_pytorch/contextual_loss/functional.py",
    "z-bingo": "Contextual-Loss-PyTorch/ContextualLoss.py",
    "CoCosNet": "CoCosNet/models/networks/ContextualLoss.py",
    "TropComplique": "contextual-loss/contextual_loss.py",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one implementation answers. A number is relative to the oracle's; None: it failed."""

    name: str
    one: float | None  # error of the loss of one image
    copy: float | None  # loss of a copy, where 0 is right
    batch: float | None  # error of the mean loss of a batch of two
    sizes: float | None  # error where x and y have different sizes
    l2: float | None  # error with squared distances
    gradient: float | None  # error of the gradient by x
    second: float | None  # error of a Hessian-vector product
    half: str  # the loss of a near-copy in bfloat16
    seconds: float | None  # forward and backward
    megabytes: float | None  # peak of the same


def load_peers(folder: Path) -> dict[str, Loss]:
    """The losses of the checkouts that the folder has, as functions of (x, y, bandwidth)."""
    found: dict[str, Loss] = {"ours": _ours}
    for name, path in FILES.items():
        if (folder / path).is_file():
            found[name] = _ADAPTERS[name](_load(name, folder / path))
    if len(found) == 1:
        listed = ", ".join(FILES.values())
        raise ValueError(f"{folder} has none of the files {listed}. Put the checkouts there.")
    return found


def judge(name: str, loss: Loss, *, size: int = 32, channels: int = 64) -> Verdict:
    """One implementation on all questions."""
    x, y = _features(1, 12, 12), _features(1, 12, 12, seed=1)
    near = y + 1e-3 * x
    return Verdict(
        name=name,
        one=_error(loss, x, y),
        copy=_number(lambda: loss(y, y, 0.5)),
        batch=_error(loss, _features(2, 8, 8), _features(2, 8, 8, seed=2) + _steps()),
        sizes=_error(loss, x, _features(1, 6, 9, seed=3)),
        l2=_error_l2(loss, x, y),
        gradient=_relative(lambda f: _gradient(f, x, y), loss),
        second=_relative(lambda f: _curvature(f, x, y), loss),
        half=_half(loss, near, y),
        seconds=_seconds(loss, size, channels),
        megabytes=_megabytes(loss, size, channels),
    )


def report(folder: Path, *, size: int = 32) -> str:
    """The table of all peers, as Markdown."""
    lines = [
        "| | one image | a copy | batch | sizes differ | l2 | gradient | second "
        "| bfloat16 | ms | MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, loss in load_peers(folder).items():
        v = judge(name, loss, size=size)
        errors = (v.one, v.copy, v.batch, v.sizes, v.l2, v.gradient, v.second)
        cells = [name, *map(_cell, errors), v.half]
        cells += ["-" if v.seconds is None else f"{1000 * v.seconds:.0f}"]
        cells += ["-" if v.megabytes is None else f"{v.megabytes:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


# ---------------------------------------------------------------- questions


def _features(n: int, height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 16, height, width, generator=generator, dtype=torch.float64)


def _steps() -> Tensor:
    """Images of a batch with different means (2, 1, 1, 1)."""
    return torch.tensor([0.0, 2.0], dtype=torch.float64).view(2, 1, 1, 1)


def _oracle(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
    return dense_loss(x.double(), y.double(), bandwidth)


def _oracle_l2(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
    a, b = x.flatten(2).mT, y.flatten(2).mT
    d = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square()  # (N, Px, Py)
    r = d / (d.amin(dim=2, keepdim=True) + 1e-5)
    return -((1 - r) / bandwidth).softmax(dim=2).amax(dim=1).mean(dim=1).log().mean()


def _number(call: Callable[[], Tensor]) -> float | None:
    """What a call returns; None where it fails."""
    try:
        return float(call())
    except Exception:  # other people's code may fail in any way
        return None


def _error(loss: Loss, x: Tensor, y: Tensor) -> float | None:
    value, right = _number(lambda: loss(x, y, 0.5)), float(_oracle(x, y, 0.5))
    return None if value is None else abs(value - right) / right


def _error_l2(loss: Loss, x: Tensor, y: Tensor) -> float | None:
    with_l2 = getattr(loss, "l2", None)
    if with_l2 is None:
        return None
    value, right = _number(lambda: with_l2(x, y, 0.5)), float(_oracle_l2(x, y, 0.5))
    return None if value is None else abs(value - right) / right


def _relative(of: Callable[[Loss], Tensor], loss: Loss) -> float | None:
    right = of(_oracle)
    return _number(lambda: (of(loss) - right).norm() / right.norm())


def _gradient(loss: Loss, x: Tensor, y: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(loss(x, y, 0.5), x)[0]


def _curvature(loss: Loss, x: Tensor, y: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(x, y, 0.5), x, create_graph=True)
    return torch.autograd.grad((grad * y).sum(), x)[0]


def _half(loss: Loss, x: Tensor, y: Tensor) -> str:
    value = _number(lambda: loss(x.bfloat16(), y.bfloat16(), 0.1))
    return "fails" if value is None else f"{value:.3f}"


def _timed_pair(size: int, channels: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(1, channels, size, size, generator=generator) for _ in range(2))
    return x.requires_grad_(), y


def _seconds(loss: Loss, size: int, channels: int) -> float | None:
    """The fastest of five, after one to warm up."""
    x, y = _timed_pair(size, channels)

    def once() -> Tensor:
        start = time.perf_counter()
        torch.autograd.grad(loss(x, y, 0.5), x)
        return torch.tensor(time.perf_counter() - start)

    times = [_number(once) for _ in range(6)][1:]
    return min((t for t in times if t is not None), default=None)


def _megabytes(loss: Loss, size: int, channels: int) -> float | None:
    x, y = _timed_pair(size, channels)
    try:
        return peak_bytes(lambda: torch.autograd.grad(loss(x, y, 0.5), x), x.device) / 1e6
    except Exception:
        return None


def _cell(value: float | None) -> str:
    return "fails" if value is None else f"{value:.1e}"


# ---------------------------------------------------------------- other people's code


def _load(name: str, path: Path) -> types.ModuleType:
    """A file of a checkout as a module, with stand-ins for imports that the loss does not use."""
    package = f"_peer_{name.replace('-', '_')}"
    if (path.parent / "__init__.py").is_file():
        root = types.ModuleType(package)
        root.__path__ = [str(path.parent)]
        sys.modules[package] = root
        package = f"{package}.{path.stem}"
    spec = importlib.util.spec_from_file_location(package, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    with _stand_ins():
        spec.loader.exec_module(module)
    return module


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Modules that the checkouts import at their top, for as long as they are loaded."""

    def feature_normalize(features: Tensor) -> Tensor:  # as CoCosNet's util does it
        return features / (features.norm(2, 1, keepdim=True) + sys.float_info.epsilon)

    nothing: Any = None
    stands = {
        "torchsnooper": {},
        "VGG_Model": {"VGG_Model": nothing},
        "util": {},
        "util.util": {"feature_normalize": feature_normalize, "mse_loss": nothing},
    }
    before = {name: sys.modules.get(name) for name in stands}
    path = list(sys.path)
    for name, members in stands.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(members)
    try:
        yield
    finally:
        sys.path[:] = path
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _ours(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
    return contextual_loss(x, y, bandwidth=bandwidth)


def _l2(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
    return contextual_loss(x, y, bandwidth=bandwidth, distance="l2")


vars(_ours)["l2"] = _l2


def _of_s_aiueo32(module: Any) -> Loss:
    def loss(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
        return module.contextual_loss(x, y, bandwidth)

    vars(loss)["l2"] = lambda x, y, h: module.contextual_loss(x, y, h, "l2")
    return loss


def _of_z_bingo(module: Any) -> Loss:
    def with_distance(kind: int) -> Loss:
        self = types.SimpleNamespace(distanceType=kind, b=1.0)

        def loss(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
            self.h = bandwidth
            return module.Contextual_Loss.calculate_CX_Loss(self, x, y)

        return loss

    loss = with_distance(module.Distance_Type.Cosine_Distance)
    vars(loss)["l2"] = with_distance(module.Distance_Type.L2_Distance)
    return loss


def _of_cocosnet(module: Any) -> Loss:
    return lambda x, y, bandwidth: module.ContextualLoss()(x, y, h=bandwidth).mean()


def _of_tropcomplique(module: Any) -> Loss:
    def with_distance(kind: str) -> Loss:
        def loss(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
            return module.ContextualLoss(y, 1, 1, bandwidth, kind).to(y.dtype)(x)

        return loss

    loss = with_distance("cosine")
    vars(loss)["l2"] = with_distance("l2_squared")
    return loss


_ADAPTERS: dict[str, Callable[[Any], Loss]] = {
    "S-aiueo32": _of_s_aiueo32,
    "z-bingo": _of_z_bingo,
    "CoCosNet": _of_cocosnet,
    "TropComplique": _of_tropcomplique,
}
