"""One run of a pipeline: what all kinds have in common, and its steps with a forecast."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from cxdemo.engine.context import Context
from cxdemo.optimize import Step
from cxdemo.runs.files import files_of
from cxdemo.runs.pace import Forecast, Stage, paces_of


@dataclass(eq=False, kw_only=True)
class Run(ABC):
    """A run as the page, programs and the command line see it; under way, stopped or done.

    A kind of run says what it computes, how far it is, and what its files hold. The rest stands
    here: whoever starts a run can stop it, and gets the same settings and files.

    Args:
        config: The settings.
        stopped: Set when somebody, or an error, ended it.
        over: Set when nothing of it is computed any more.
        forecast: How long it still takes; None until it stands in line.
    """

    pipeline: ClassVar[str]  # its name in stored settings
    file_names: ClassVar[Mapping[str, str]]  # by kind, such as json

    config: Any
    stopped: bool = False
    over: bool = False
    forecast: Forecast | None = None

    @abstractmethod
    def compute(self, ctx: Context) -> Iterator[object]:
        """Takes its steps and keeps what comes of them; yields after each."""

    @property
    @abstractmethod
    def stages(self) -> list[Stage]:
        """What it has to do, for an estimate."""

    @property
    @abstractmethod
    def taken(self) -> float:
        """How many steps of its stages were taken."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether all of its steps were taken."""

    def steps(self, ctx: Context) -> Iterator[None]:
        """Computes; yields after each step, until all are done or it is stopped."""
        for _ in self.compute(ctx):
            yield
            if self.stopped:
                return

    def stop(self) -> None:
        """Ends it after the step at hand; one that is finished stays finished."""
        self.stopped = self.stopped or not self.finished

    @property
    def has_files(self) -> bool:
        """Whether there is anything to export."""
        return self.taken > 0

    @property
    def seconds_left(self) -> float | None:
        """Until the end; None: nobody knows yet."""
        return self.forecast.left() if self.forecast else None

    def settings(self) -> dict[str, Any]:
        """Everything needed to do it again, and what came of it, for JSON."""
        about = {"made_by": "cxdemo", "pipeline": self.pipeline, "config": asdict(self.config)}
        return about | self.record()

    def record(self) -> dict[str, Any]:
        """What its settings say beside the configuration."""
        return {}

    def export(self, *kinds: str) -> dict[str, Path]:
        """Files of this run by their kinds, written once and deleted with it.

        Args:
            kinds: Some of `file_names`. None: all of them.
        """
        return files_of(self, lambda folder: self._write_all(folder, kinds), of=kinds)

    def save(self, path: Path, kind: str = "") -> None:
        """Writes one file.

        Args:
            path: Where.
            kind: What it holds, one of `file_names`. Empty: as its ending says.

        Raises:
            ValueError: No file of this run has such an ending.
        """
        ending = path.suffix.lower()
        endings = list(dict.fromkeys(Path(name).suffix for name in self.file_names.values()))
        if ending not in endings:
            raise ValueError(f"{path.name}: choose {', '.join(endings[:-1])} or {endings[-1]}.")
        if ending == ".json":
            path.write_text(json.dumps(self.settings(), indent=2) + "\n", encoding="utf-8")
        else:
            self.write(kind or ending[1:], path)

    def write(self, kind: str, path: Path) -> None:
        """Writes a file of a kind other than JSON."""
        raise NotImplementedError(kind)

    def _write_all(self, folder: Path, kinds: tuple[str, ...]) -> dict[str, Path]:
        files = {kind: folder / self.file_names[kind] for kind in kinds or self.file_names}
        for kind, path in files.items():
            self.save(path, kind)
        return files


@dataclass(eq=False, kw_only=True)
class OptimisedRun(Run):
    """A run whose pipeline yields a `Step` at a time.

    Args:
        history: Terms of the objective, by step.
        index: Steps so far.
        total: Steps in all; 0 before the first.
        seconds: Since the first step began.
    """

    history: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    index: int = 0
    total: int = 0
    seconds: float = 0.0

    def keep(self, step: Step) -> None:
        """Takes note of a step."""
        self.history.append((step.index, step.losses))
        self.index, self.total, self.seconds = step.index, step.total, step.seconds

    @property
    def taken(self) -> float:
        """Steps so far."""
        return self.index

    @property
    def finished(self) -> bool:
        """Whether all steps were taken."""
        return 0 < self.total == self.index

    def record(self) -> dict[str, Any]:
        """How far it came."""
        return {"steps_taken": self.index, "seconds": round(self.seconds, 1)}


def take_steps(run: Run, ctx: Context, *, every: float) -> Iterator[None]:
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


def foresee(run: Run, ctx: Context) -> Iterator[None]:
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
