"""A run that is watched while it goes on: its buttons, its updates, its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.runs.live import LiveRun, take_steps
from cxdemo.ui.kit.turns import take_turn

Updates = dict[Any, Any]


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


def follow(
    run: LiveRun,
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

    try:
        yield from take_turn(
            run, ctx, what, waiting=lambda said: {status: show_waiting(said)}, work=work(),
            often_small=often_small,
        )  # fmt: skip
    except Exception:
        run.stopped = True
        yield result()
        raise


def answer_stop(
    run: LiveRun | None,
    *,
    idle: Callable[[], Updates],
    progress: Callable[[], Updates],
    result: Callable[[], Updates],
) -> Updates:
    """Updates for somebody who presses Stop, at once: whatever ends the run shows its result.

    So its files are written by one thread, once.

    Args:
        run: What is stopped; None: there is none.
        idle: What the page shows if there is none.
        progress: What it shows until the step at hand is done.
        result: What it shows if nothing is computed any more, as after a lost connection.
    """
    if run is None:
        return idle()
    run.stopped = True
    return result() if run.over else progress()


def show_waiting(said: str) -> str:
    """Where a run stands in line, in the place of its progress."""
    return (
        '<div class="cx-progress cx-waiting" role="status"><div class="cx-track"><i></i></div>'
        f"<p>{escape(said)}</p></div>"
    )
