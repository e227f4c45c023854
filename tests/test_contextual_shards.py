"""Rows spread over two processes give one process's loss and gradients."""

import socket
import subprocess
import sys

import pytest
import torch

from cxdemo.contextual import contextual_loss

PROGRAM = """
import sys, torch, torch.distributed as dist
from cxdemo.contextual import contextual_target
from cxdemo.contextual_shards import sharded_contextual_loss
rank, port, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
torch.set_num_threads(1)
given = torch.load(f"{folder}/given.pt")
results = []
for options in given["options"]:
    x = given["x"][rank].requires_grad_()
    y = given["y"].clone().requires_grad_()
    mask, distance = options.pop("y_mask", None), options.get("distance", "cosine")
    target = contextual_target(y, mask=mask, distance=distance)
    loss = sharded_contextual_loss(x, target, **options)
    grad_x, grad_y = torch.autograd.grad(loss, (x, y))
    dist.all_reduce(grad_y)
    results.append((loss.detach(), grad_x, grad_y))
torch.save(results, f"{folder}/{rank}.pt")
dist.destroy_process_group()
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_two_processes_give_the_loss_and_gradients_of_one(tmp_path):
    if not torch.distributed.is_available():
        pytest.skip("this PyTorch has no torch.distributed")
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2, p, 16, generator=generator, dtype=torch.float64) for p in (30, 20))
    x[:, 25] = x[:, 3]  # the same row in both processes: a tie
    mask = torch.rand(2, 20, generator=generator) < 0.7
    cases = [{"bandwidth": 0.2}, {"distance": "l2", "chunk_size": 4}, {"y_mask": mask}]
    parts = (x[:, :18], x[:, 18:])
    torch.save({"x": parts, "y": y, "options": cases}, tmp_path / "given.pt")
    command = [sys.executable, "-c", PROGRAM]
    port = free_port()
    running = [
        subprocess.Popen([*command, str(rank), port, str(tmp_path)], stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    for process in running:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error.decode()
    results = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for case, first, second in zip(cases, *results, strict=True):
        a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
        loss = contextual_loss(a, b, **case)
        grad_x, grad_y = torch.autograd.grad(loss, (a, b))
        for value, _, by_y in (first, second):
            torch.testing.assert_close(value, loss.detach())
            torch.testing.assert_close(by_y, grad_y)
        by_x = torch.cat([first[1], second[1]], dim=1)
        for grad in (by_x, grad_x):
            grad[:, 3] += grad[:, 25]  # either may win what both want
        torch.testing.assert_close(by_x[:, :25], grad_x[:, :25])
        torch.testing.assert_close(by_x[:, 26:], grad_x[:, 26:])
