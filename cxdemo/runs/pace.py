"""How long a run takes: measured here, by stage, from the steps of earlier runs."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from cxdemo.pipelines.style_transfer import StyleTransferConfig, stage_work

# Seconds for a unit of work of a 2-core machine, everything else included, before anything was
# measured: a multiply-add of a style transfer, a pixel of a small picture times networks.
TYPICAL_CPU = {"style": 1 / 1.3e11, "upscale": 1 / 30_000, "upscale test": 1 / 15_000}
LONG = 180.0  # seconds
ASPECT = 0.75  # short side by long side of a usual picture
TELLING = 0.5  # seconds of a stage below which its pace says nothing
TRUST = 0.75  # in how fast a run is, for each doubling of the size from where that was seen
FAR = 2.5  # times as large or small: a pace says less of such a size than what is typical does


class Stage(NamedTuple):
    """Steps of one cost, which a run takes one after another.

    Example:
        >>> Stage("exemplar", 128, 24, work=128.0 * 128)
        Stage(kind='exemplar', size=128, steps=24, work=16384.0)
    """

    kind: str  # of run
    size: int  # pixels
    steps: float
    work: float  # of a step, in any unit that is the same for all stages of this kind


class Paces:
    """Seconds that a unit of work takes on this machine, by kind and size.

    Args:
        typical: What to expect of a kind before its first run.
    """

    def __init__(self, typical: Mapping[str, float] | None = None) -> None:
        self._typical = dict(typical or {})
        self._measured: dict[str, dict[int, float]] = {}

    def observe(self, stage: Stage, steps: float, seconds: float) -> None:
        """Learn from steps of a stage; an earlier measurement keeps half of its weight."""
        if steps <= 0 or seconds < TELLING:
            return
        known = self._measured.setdefault(stage.kind, {})
        pace = seconds / (steps * stage.work)
        known[stage.size] = (known.get(stage.size, pace) + pace) / 2

    def seconds(self, stages: Sequence[Stage]) -> float | None:
        """Time for some stages; None: nobody knows yet."""
        return _total(stages, [self.pace(stage) for stage in stages])

    def at_rest(self, stages: Sequence[Stage]) -> float | None:
        """What a machine takes that does nothing else; as measured where nothing is typical."""
        paces = [self._typical.get(stage.kind, self.pace(stage)) for stage in stages]
        return _total(stages, paces)

    def knows(self, stage: Stage) -> bool:
        """Whether stages of this very size were measured."""
        return stage.size in self._measured.get(stage.kind, {})

    def pace(self, stage: Stage) -> float | None:
        """Seconds for a unit of work: of this size, else of the nearest that was measured."""
        known, typical = self._measured.get(stage.kind, {}), self._typical.get(stage.kind)
        far = {size: abs(math.log((1 + size) / (1 + stage.size))) for size in known}
        nearest = min(far, key=far.__getitem__, default=None)
        if nearest is None or (typical is not None and far[nearest] > math.log(FAR)):
            return typical
        return known[nearest]


def _total(stages: Sequence[Stage], paces: Sequence[float | None]) -> float | None:
    """Seconds of stages at these paces; None where one is not known."""
    if any(pace is None for pace in paces):
        return None
    return sum(s.steps * s.work * (p or 0.0) for s, p in zip(stages, paces, strict=True))


@functools.cache
def paces_of(device: str) -> Paces:
    """What this process has learnt of a device, such as "cpu"."""
    return Paces(TYPICAL_CPU if device == "cpu" else None)


class Forecast:
    """How long a run still takes: what its stages took before, corrected by its own steps.

    Args:
        stages: In their order.
        paces: What is known of this machine; learns from the run.
        clock: Seconds.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        paces: Paces,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stages, self._paces, self._clock = list(stages), paces, clock
        self._expected = [paces.pace(stage) for stage in self._stages]
        self._known = [paces.knows(stage) for stage in self._stages]
        self._factor = 1.0  # how much slower this run is than expected
        self._own: float | None = None  # pace of this run in its last stage, as far as known
        self._from: tuple[float, float] | None = None  # steps, time: where its stage is timed from
        self._last = (0.0, 0.0)  # the same, of the last step

    def step(self, taken: float) -> None:
        """So many steps are done. The first of a stage is not timed: it includes preparations."""
        now = (taken, self._clock())
        if self._from is None or self._index(taken) != self._index(self._from[0]):
            self.close()
            self._from = now
        self._last = now
        self._correct()

    def close(self) -> None:
        """Learn from the last stage: it is over, or the run is, finished or not."""
        if self._from is not None:
            stage = self._stages[self._index(self._from[0])]
            self._paces.observe(stage, *self._timed())

    def left(self) -> float | None:
        """Seconds until the end; None: nobody knows yet."""
        total, before = 0.0, 0.0
        for index, stage in enumerate(self._stages):
            steps = stage.steps - min(stage.steps, max(0.0, self._last[0] - before))
            before += stage.steps
            pace = self._pace(index)
            if steps and pace is None:
                return None
            total += steps * stage.work * (pace or 0.0)
        return total

    def _pace(self, index: int) -> float | None:
        expected = self._expected[index]
        return self._own if expected is None else expected * self._factor ** self._trust(index)

    def _trust(self, index: int) -> float:
        """How far the factor of the stage at hand is that of another: much of a small is fixed."""
        now = self._index(self._last[0])
        if self._known[now] and self._known[index]:
            return 1.0
        doublings = math.log2((1 + self._stages[index].size) / (1 + self._stages[now].size))
        return TRUST ** abs(doublings)

    def _correct(self) -> None:
        """Compare this run with what was expected of the stage at hand."""
        steps, seconds = self._timed()
        if steps <= 0 or (steps < 2 and seconds < 2):
            return
        index = self._index(self._last[0])
        self._own = seconds / (steps * self._stages[index].work)
        expected = self._expected[index]
        self._factor = self._own / expected if expected else 1.0

    def _timed(self) -> tuple[float, float]:
        """Steps and seconds of the stage at hand, without its first step."""
        start = self._from or self._last
        return self._last[0] - start[0], self._last[1] - start[1]

    def _index(self, taken: float) -> int:
        """Which stage the last of so many steps belongs to."""
        before = 0.0
        for index, stage in enumerate(self._stages):
            before += stage.steps
            if taken <= before:
                return index
        return len(self._stages) - 1


def style_stages(
    config: StyleTransferConfig, *, styles: int = 1, aspect: float = ASPECT
) -> list[Stage]:
    """The stages of a style transfer; work in multiply-adds, forward and backward.

    Args:
        config: The settings.
        styles: How many style pictures there are.
        aspect: Short side of the content by its long side.
    """
    sizes = [size for size, _ in config.stages_of(aspect)]
    work = stage_work(config, aspect, styles=styles)
    return [
        Stage("style", size, steps, each) for size, (steps, each) in zip(sizes, work, strict=True)
    ]


def say_duration(seconds: float) -> str:
    """A duration as people say it: no more precise than it is.

    Example:
        >>> say_duration(8), say_duration(52), say_duration(1000), say_duration(9000)
        ('about 10 s', 'about 50 s', 'about 17 minutes', 'about 2.5 hours')
    """
    if seconds < 95:
        return f"about {max(10, round(seconds / 10) * 10)} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"


def say_left(seconds: float | None, lead: str = ", ") -> str:
    """The time that is left, to stand behind something else; nothing where nobody knows.

    Example:
        >>> say_left(3.2), say_left(52), say_left(None)
        (', about 3 s left', ', about 50 s left', '')
    """
    if seconds is None:
        return ""
    said = say_duration(seconds) if seconds >= 9.5 else f"about {max(1, round(seconds))} s"
    return f"{lead}{said} left"
