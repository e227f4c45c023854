"""A run that is watched while it goes on: its buttons, its updates, its files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import gradio as gr

from cxdemo.ui.context import Context

Updates = dict[Any, Any]


class LiveRun(Protocol):
    """What the page needs of a run; `stopped` is set when somebody, or an error, ended it."""

    stopped: bool

    @property
    def finished(self) -> bool:
        """Whether all of its steps were taken."""
        ...

    def steps(self, ctx: Context) -> Iterator[Any]:
        """Takes its steps."""
        ...


def build_buttons(name: str, label: str = "Run") -> dict[str, gr.Button]:
    """Run and Stop in a row, called `cx-{name}-run` and `cx-{name}-stop`."""
    with gr.Row(elem_classes="cx-run-row"):
        run = gr.Button(label, variant="primary", scale=3, min_width=130, elem_id=f"cx-{name}-run")
        stop = gr.Button("Stop", interactive=False, min_width=80, elem_id=f"cx-{name}-stop")
    return {"run": run, "stop": stop}


def build_downloads(name: str, labels: Mapping[str, str]) -> dict[str, gr.DownloadButton]:
    """Hidden buttons in a row, one a kind of file, called `cx-{name}-{kind}`."""
    with gr.Row():
        return {
            kind: gr.DownloadButton(
                label, size="sm", visible=False, min_width=100, elem_id=f"cx-{name}-{kind}"
            )
            for kind, label in labels.items()
        }


def offer_files(buttons: Mapping[str, Any], files: Mapping[str, Any]) -> Updates:
    """Updates: a file that there is can be downloaded, the button of another is hidden."""
    return {
        button: gr.DownloadButton(
            value=str(files[kind]) if kind in files else None, visible=kind in files
        )
        for kind, button in buttons.items()
    }


def take_steps(run: LiveRun, ctx: Context, *, every: float) -> Iterator[None]:
    """Takes the steps of a run, and yields once in a while.

    Args:
        run: What is run.
        ctx: The pipelines.
        every: Seconds between two yields, at least; after the last step there is none.
    """
    shown_at = 0.0
    for _ in run.steps(ctx):
        if time.monotonic() - shown_at >= every and not run.finished:
            yield
            shown_at = time.monotonic()


def follow(
    run: LiveRun,
    ctx: Context,
    *,
    progress: Callable[[], Updates],
    result: Callable[[], Updates],
    every: float,
) -> Iterator[Updates]:
    """Updates of the page while a run goes on, and when it ends.

    Args:
        run: What is run; marked as stopped if it fails.
        ctx: The pipelines.
        progress: What the page shows on the way.
        result: What it shows at the end, also of a run that failed.
        every: Seconds between two updates.

    Raises:
        Exception: Whatever the run raised, after its result was shown.
    """
    try:
        for _ in take_steps(run, ctx, every=every):
            yield progress()
    except Exception:
        run.stopped = True
        yield result()
        raise
    yield result()
