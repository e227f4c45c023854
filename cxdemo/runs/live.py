"""What every run that is watched has in common: its state, and its steps with a forecast."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from cxdemo.engine.context import Context
from cxdemo.runs.pace import Forecast, Stage, paces_of


@dataclass(eq=False, kw_only=True)
class Live:
    """The state of every run that is watched.

    Args:
        stopped: Set when somebody, or an error, ended it.
        over: Set when nothing of it is computed any more.
        forecast: How long it still takes; None until it stands in line.
    """

    stopped: bool = False
    over: bool = False
    forecast: Forecast | None = None

    @property
    def seconds_left(self) -> float | None:
        """Until the end; None: nobody knows yet."""
        return self.forecast.left() if self.forecast else None


class LiveRun(Protocol):
    """What the page needs of a run; see `Live`."""

    stopped: bool
    over: bool
    forecast: Forecast | None

    @property
    def finished(self) -> bool:
        """Whether all of its steps were taken."""
        ...

    @property
    def taken(self) -> float:
        """How many steps of its stages were taken."""
        ...

    @property
    def stages(self) -> list[Stage]:
        """What it has to do, for an estimate."""
        ...

    def steps(self, ctx: Context) -> Iterator[Any]:
        """Takes its steps, until all are done or it is stopped."""
        ...


def take_steps(run: LiveRun, ctx: Context, *, every: float) -> Iterator[None]:
    """Takes the steps of a run, and yields once in a while.

    Args:
        run: What is run.
        ctx: The pipelines.
        every: Seconds between two yields, at least; after the last step there is none.
    """
    shown_at = 0.0
    for _ in foresee(run, ctx):
        if time.monotonic() - shown_at >= every and not run.finished:
            yield
            shown_at = time.monotonic()


def foresee(run: LiveRun, ctx: Context) -> Iterator[None]:
    """Takes the steps of a run, yields after each, and keeps its forecast up to date."""
    forecast = run.forecast = run.forecast or Forecast(run.stages, paces_of(ctx.device))
    if run.stopped:
        return
    try:
        for _ in run.steps(ctx):
            forecast.step(run.taken)
            yield
    finally:
        forecast.close()
