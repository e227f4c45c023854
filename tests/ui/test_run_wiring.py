"""Begin, progress, Stop and files of a run, by a page with the fewest components."""

import threading
from dataclasses import dataclass

import gradio as gr
import pytest

from cxdemo.runs.live import Run
from cxdemo.runs.pace import Stage
from cxdemo.ui.kit import turns
from cxdemo.ui.kit.lanes import Lane, Refused, Visitor
from cxdemo.ui.kit.run_wiring import RunPage, build_buttons, build_downloads

PATIENCE = 20  # seconds


@dataclass(frozen=True)
class Config:
    size: int = 8


@dataclass(eq=False, kw_only=True)
class Drawing(Run):
    """Three steps, and a file whose writing can be held up."""

    pipeline = "drawing"
    file_names = {"png": "drawing.png", "json": "drawing.json"}  # noqa: RUF012

    taken: int = 0

    def __post_init__(self):
        self.written, self.writing, self.go_on = [], threading.Event(), threading.Event()

    @property
    def stages(self):
        return [Stage("drawing", 1, 3, 1.0)]

    @property
    def finished(self):
        return self.taken == 3

    def compute(self, ctx):
        while not self.finished:
            self.taken += 1
            yield

    def record(self):
        return {"steps": self.taken}

    def write(self, kind, path):
        self.written.append(path)
        self.writing.set()
        assert self.go_on.wait(PATIENCE)
        path.write_text(kind)


@dataclass(frozen=True, kw_only=True, eq=False)
class Page(RunPage[Drawing]):
    name, what, place, every = "drawing", "drawing", "#x", 0.0
    view: gr.HTML

    @property
    def inputs(self):
        return {self.view}

    @property
    def shown(self):
        return [self.view]

    def prepare(self, values):
        return Drawing(config=Config())

    def tell(self, run):
        return f"{run.taken}{' stopped' if run.stopped else ''}"

    def progress(self, run, *extras):
        return {self.view: f"at {run.taken}"}

    def result(self, run, *extras):
        return {self.view: f"end at {run.taken}"}


@pytest.fixture
def page(ctx, monkeypatch):
    monkeypatch.setattr(turns, "LONG", Lane(width=1, each=1, room=2))
    with gr.Blocks():
        return Page(
            ctx=ctx, **build_buttons("cx-x"), status=gr.HTML(), view=gr.HTML(), state=gr.State(),
            downloads=build_downloads("cx-x", {"png": "Picture", "json": "Settings"}),
        )  # fmt: skip


def begin(page):
    begun = page._begin(page.prepare, {})
    assert begun[page.run].value == "Running…"
    assert begun[page.run].interactive is False
    assert begun[page.stop].interactive is True
    return begun[page.state]


def in_thread(work):
    """A thread at work, and what it will have answered."""
    answers = []
    thread = threading.Thread(target=lambda: answers.extend(work()))
    thread.start()
    return thread, answers


def is_idle(page, update):
    return update[page.run].interactive is True and update[page.stop].interactive is False


def test_a_run_shows_its_steps_and_ends_with_its_files(page):
    run = begin(page)
    run.go_on.set()
    *steps, end = page._run(run)
    assert [step[page.view] for step in steps] == ["at 1", "at 2"]
    assert (end[page.view], end[page.status]) == ("end at 3", "3")
    assert is_idle(page, end)
    assert end[page.downloads["png"]].visible is True
    assert run.settings() == {
        "made_by": "cxdemo", "pipeline": "drawing", "config": {"size": 8}, "steps": 3,
    }  # fmt: skip
    assert run.export()["png"].read_text() == "png"
    assert len(run.written) == 1


def test_stop_while_the_run_writes_its_files_neither_waits_nor_writes(page):
    run = begin(page)
    thread, answers = in_thread(lambda: page._run(run))
    assert run.writing.wait(PATIENCE)  # all steps are done, the result is being written
    answer = page._stop(run)  # would hang if it waited for the files
    assert answer.keys() == {page.stop, page.status}
    assert answer[page.status] == "3"  # a run that is finished is not said to be stopped
    run.go_on.set()
    thread.join(PATIENCE)
    assert answers[-1][page.view] == "end at 3"
    assert len(run.written) == 1


def test_stop_ends_a_run_after_the_step_at_hand(page):
    run = begin(page)
    run.go_on.set()
    steps = page._run(run)
    assert next(steps)[page.view] == "at 1"
    assert page._stop(run)[page.status] == "1 stopped"
    (end,) = steps
    assert (end[page.view], end[page.status]) == ("end at 1", "1 stopped")


def test_stop_from_many_threads_ends_a_run_once(page):
    run = begin(page)
    run.go_on.set()
    steps = page._run(run)
    next(steps)
    stops = [in_thread(lambda: [page._stop(run)]) for _ in range(8)]
    rest = list(steps)
    for thread, _ in stops:
        thread.join(PATIENCE)
    assert rest[-1][page.view].startswith("end at")
    assert is_idle(page, rest[-1])
    assert run.over
    assert len(run.written) == 1


def test_stop_after_the_page_was_lost_shows_the_result_of_the_same_files(page):
    run = begin(page)
    run.go_on.set()
    steps = page._run(run)
    next(steps)
    steps.close()
    answer = page._stop(run)
    assert (answer[page.view], answer[page.status]) == ("end at 1", "1 stopped")
    assert is_idle(page, answer)
    assert page._stop(run)[page.downloads["png"]].value
    assert len(run.written) == 1


def test_stop_before_the_first_step_takes_none_and_leaves_no_file(page):
    run = begin(page)
    page._stop(run)
    (end,) = page._run(run)
    assert end[page.view] == "end at 0"
    assert is_idle(page, end)
    assert not end.keys() & set(page.downloads.values())
    assert run.written == []


def test_stop_without_a_run_makes_the_buttons_usable(page):
    assert is_idle(page, page._stop(None))


def test_a_visitor_with_a_run_is_told_before_another_is_prepared(page, monkeypatch):
    monkeypatch.setattr(turns, "current_visitor", lambda: Visitor("me"))
    turns.LONG.enter(Visitor("me"), "drawing")
    with pytest.raises(Refused, match="Your drawing is still running"):
        page._begin(lambda values: pytest.fail("prepared"), {})
