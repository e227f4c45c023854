"""A run that is watched while it goes on: its buttons, its updates, its files.

A page of a kind of run is a `RunPage`: it says which run its components ask for, and what they
show of it. Begin, place in line, progress, Stop, result and downloads are wired here, once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any, ClassVar, Generic, TypeVar

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.runs.live import Run, take_steps
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.page_script import PRIVATE, change_at_once, scroll_on
from cxdemo.ui.kit.turns import check_turn, is_small, quickly, take_turn

Updates = dict[Any, Any]
Values = Mapping[Any, Any]
SomeRun = TypeVar("SomeRun", bound=Run)


def build_buttons(prefix: str, label: str = "Run") -> dict[str, gr.Button]:
    """Run and Stop in a row, called `{prefix}-run` and `{prefix}-stop`."""
    with gr.Row(elem_id=f"{prefix}-run-row", elem_classes="cx-run-row"):
        run = gr.Button(label, variant="primary", scale=3, min_width=130, elem_id=f"{prefix}-run")
        stop = gr.Button("Stop", interactive=False, min_width=80, elem_id=f"{prefix}-stop")
    return {"run": run, "stop": stop}


def build_downloads(
    prefix: str, labels: Mapping[str, str], files: Mapping[str, Any] | None = None
) -> dict[str, gr.DownloadButton]:
    """Buttons in a row, one a kind of file, called `{prefix}-{kind}`; hidden without a file."""
    files = files or {}
    with gr.Row(elem_classes="cx-downloads"):
        return {
            kind: gr.DownloadButton(
                label, **_offer(files.get(kind)), size="sm", min_width=100,
                elem_id=f"{prefix}-{kind}",
            )
            for kind, label in labels.items()
        }  # fmt: skip


def offer_files(buttons: Mapping[str, Any], files: Mapping[str, Any]) -> Updates:
    """Updates: a file that there is can be downloaded, the button of another is hidden."""
    return {
        button: gr.DownloadButton(**_offer(files.get(kind))) for kind, button in buttons.items()
    }


def _offer(file: Any) -> dict[str, Any]:
    there = file is not None
    return {"value": str(file) if there else None, "visible": there, "interactive": there}


@dataclass(frozen=True, kw_only=True, eq=False)
class RunPage(ABC, Generic[SomeRun]):
    """The components of a page with a run, and what they show of it.

    Args:
        ctx: The pipelines.
        run: The button that starts it.
        stop: The button that ends it.
        status: Says where it stands.
        state: Holds it; on the server.
        downloads: By kind of file, as `Run.export` names them.
    """

    name: ClassVar[str]  # in the events' names: begin_{name}, run_{name}, stop_{name}
    what: ClassVar[str]  # the run, for people: "style transfer"
    place: ClassVar[str]  # what should be in view: a CSS selector
    every: ClassVar[float] = 0.3  # seconds between two updates
    often_small: ClassVar[bool] = False  # whether it may be quick work, see `take_turn`
    ready: ClassVar[str] = "Run"  # on the button
    busy: ClassVar[str] = "Running…"
    again: ClassVar[str] = "Run"

    ctx: Context
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    state: gr.State
    downloads: dict[str, gr.DownloadButton]

    # ----------------------------------------------------------------- what a kind of page says

    @property
    @abstractmethod
    def inputs(self) -> set[Any]:
        """What `prepare` reads."""

    @property
    @abstractmethod
    def shown(self) -> list[Any]:
        """What the run writes, beside the components that all runs have."""

    @property
    def extras(self) -> list[Any]:
        """Components whose values `progress` and `result` get, after the run."""
        return []

    @property
    def siblings(self) -> list[gr.Button]:
        """Buttons that start a run, too."""
        return []

    @abstractmethod
    def prepare(self, values: Values) -> SomeRun:
        """The run that the page asks for, before its first step. Its `ValueError`s are shown."""

    @abstractmethod
    def tell(self, run: SomeRun) -> str:
        """Where a run stands, as HTML."""

    def tell_unbegun(self) -> Updates:
        """Updates for somebody who stopped before there was a run."""
        return {}

    def begun(self, run: SomeRun) -> Updates:
        """Updates before its first step."""
        del run
        return {}

    @abstractmethod
    def progress(self, run: SomeRun, *extras: Any) -> Updates:
        """Updates on the way."""

    @abstractmethod
    def result(self, run: SomeRun, *extras: Any) -> Updates:
        """Updates at the end, also of a run that was stopped or that failed."""

    # -------------------------------------------------------------------- what all pages share

    @property
    def outputs(self) -> list[Any]:
        """What a run writes."""
        own = [self.run, self.stop, self.status, self.state, *self.siblings]
        return [*own, *self.shown, *self.downloads.values()]

    def wire_run(self) -> None:
        """Run and Stop."""
        self.start_on(self.run.click, self.name)
        change_at_once(self.stop.click, self.stop, f"see_stop_{self.name}", interactive=False)
        self.stop.click(
            readable(self._stop), [self.state, *self.extras], self.outputs,
            api_name=f"stop_{self.name}", queue=False, **PRIVATE,
        )  # fmt: skip

    def start_on(
        self,
        event: Callable[..., Any],
        name: str,
        prepare: Callable[[Values], SomeRun] | None = None,
    ) -> None:
        """Starts a run after an event.

        Args:
            event: Such as `button.click`.
            name: In the names of what follows.
            prepare: The run. None: that of `prepare`.
        """
        change_at_once(event, self.run, f"see_{name}", value=self.busy, interactive=False)
        begun = event(
            readable(quickly(partial(self._begin, prepare or self.prepare))), self.inputs,
            self.outputs, api_name=f"begin_{name}", **PRIVATE,
        )  # fmt: skip
        begun.success(
            readable(self._run), [self.state, *self.extras], self.outputs,
            api_name=f"run_{name}", **PRIVATE,
        )  # fmt: skip
        begun.failure(
            lambda: self.idle(self.ready), None, [self.run, self.stop, *self.siblings],
            api_name=f"refuse_{name}", queue=False, **PRIVATE,
        )  # fmt: skip
        scroll_on(begun.success, self.place, f"scroll_to_{name}")

    def _begin(self, prepare: Callable[[Values], SomeRun], values: Values) -> Updates:
        if not self.often_small:
            check_turn()
        run = prepare(values)
        if self.often_small and not is_small(run, self.ctx):
            check_turn()
        return {
            self.run: gr.Button(self.busy, interactive=False),
            self.stop: gr.Button(interactive=True),
            **{button: gr.Button(interactive=False) for button in self.siblings},
            self.state: run,
            self.status: self.tell(run),
            **self.begun(run),
        }

    def _run(self, run: SomeRun, *extras: Any) -> Iterator[Updates]:
        yield from follow(
            run,
            self.ctx,
            self.what,
            status=self.status,
            progress=lambda: {self.status: self.tell(run), **self.progress(run, *extras)},
            result=lambda: self.show_result(run, *extras),
            every=self.every,
            often_small=self.often_small,
        )

    def _stop(self, run: SomeRun | None, *extras: Any) -> Updates:
        """At once; whatever ends the run shows its result, so that one thread writes its files."""
        if run is None:
            return self.idle(self.ready) | self.tell_unbegun()
        run.stop()
        if run.over:
            return self.show_result(run, *extras)
        return {self.stop: gr.Button(interactive=False), self.status: self.tell(run)}

    def show_result(self, run: SomeRun, *extras: Any) -> Updates:
        """A result that can be looked at and downloaded, whether finished, stopped or stored."""
        files = offer_files(self.downloads, run.export()) if run.has_files else {}
        told = {self.state: run, self.status: self.tell(run)}
        return {**self.idle(self.again), **told, **self.result(run, *extras), **files}

    def idle(self, label: str) -> Updates:
        """The buttons as they are when nothing runs."""
        return {
            self.run: gr.Button(label, interactive=True),
            self.stop: gr.Button(interactive=False),
            **{button: gr.Button(interactive=True) for button in self.siblings},
        }


def follow(
    run: Run,
    ctx: Context,
    what: str,
    *,
    status: Any,
    progress: Callable[[], Updates],
    result: Callable[[], Updates],
    every: float,
    often_small: bool = False,
) -> Iterator[Updates]:
    """Updates of the page while a run waits for its turn and goes on, and when it ends.

    Args:
        run: What is run; marked as stopped if it fails.
        ctx: The pipelines.
        what: The run, for people: "style transfer".
        status: The component that says where the run stands.
        progress: What the page shows on the way.
        result: What it shows at the end, also of a run that failed.
        every: Seconds between two updates.
        often_small: As `take_turn` has it.

    Raises:
        Exception: Whatever the run raised, after its result was shown; `Refused` if there is no
            place for it.
    """

    def work() -> Iterator[Updates]:
        for _ in take_steps(run, ctx, every=every):
            yield progress()
        yield result()

    def waiting(said: str) -> Updates:
        return {status: show_waiting(said)}

    try:
        yield from take_turn(run, ctx, what, waiting=waiting, work=work(), often_small=often_small)
    except Exception:
        run.stopped = True
        yield result()
        raise


def show_waiting(said: str) -> str:
    """Where a run stands in line, in the place of its progress."""
    return (
        '<div class="cx-progress cx-waiting" role="status"><div class="cx-track"><i></i></div>'
        f"<p>{escape(said)}</p></div>"
    )
