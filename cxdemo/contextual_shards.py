"""The Contextual Loss of features that are spread over processes.

Each process holds some rows of x and the whole target. A row of CX needs no other row, and Eq. 1
needs of the others only the largest CX_ij of each target: one all-reduce of N x Py numbers.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from cxdemo.contextual import ContextualTarget, Distance, _as_target, _claim, _prepare


def sharded_contextual_loss(
    x: Tensor,
    y: Tensor | ContextualTarget,
    *,
    group: dist.ProcessGroup | None = None,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    chunk_size: int | None = None,
) -> Tensor:
    """`contextual_loss` of the rows of all processes, each of which gives its own as x.

    The value is the same in every process. A row's gradient is complete in the process that holds
    it. The gradient of y is that process's share: sum it over the processes with `all_reduce`.

    Args:
        x: The rows of this process.
        y: The target, the same in every process; `contextual_target` gives it a mask.
        group: The processes; None takes all.
        bandwidth: See `contextual_loss`.
        distance: See `contextual_loss`.
        eps: See `contextual_loss`.
        chunk_size: See `contextual_loss`.

    Shape:
        - x: (N, Px of this process, C), or a map; y: (N, Py, C), or a map.
        - returns: (), mean over N.

    Cost:
        That of this process's rows, and two all-reduces of (N, Py).
    """
    target = _as_target(y, None, distance, None)
    vectors, kernel = _prepare(x, target, (bandwidth, distance, eps, 0.0, None), None, chunk_size)
    best = _claim(vectors, target.vectors, kernel)[0][:, :, 0]  # (N, Py)
    value = _largest_anywhere(best, group)  # (N, Py)
    if kernel.y_mask is None:
        return 0 - value.mean(dim=1).log().mean()
    counted = value.where(kernel.y_mask, 0).sum(dim=1)  # (N,)
    return 0 - (counted / kernel.y_mask.sum(dim=1)).log().mean()


def _largest_anywhere(best: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """The maximum over processes (N, Py); its gradient goes to the first that holds it."""
    largest = best.detach().clone()
    dist.all_reduce(largest, dist.ReduceOp.MAX, group)
    rank = dist.get_rank(group)
    holder = torch.where(best == largest, rank, dist.get_world_size(group))  # (N, Py)
    dist.all_reduce(holder, dist.ReduceOp.MIN, group)
    return torch.where(holder == rank, best, largest)
