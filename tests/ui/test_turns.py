"""Handlers and runs that wait for their turn."""

import asyncio
import functools
import os
import sys
import threading

import gradio as gr
import pytest
import torch

from cxdemo.runs import live
from cxdemo.runs.pace import Paces, Stage
from cxdemo.ui.kit import guarded_blocks, turns
from cxdemo.ui.kit.lanes import UNHEARD, Lane, Refused, Visitor
from cxdemo.ui.kit.run_wiring import follow
from cxdemo.ui.kit.visitors import Visitors, WatchStreams, stream_name


class Run(live.Run):
    """Three steps."""

    taken, total = 0, 3

    @property
    def stages(self):
        return [Stage("test", 1, self.total, 1.0)]

    @property
    def finished(self):
        return self.taken == self.total

    def compute(self, ctx):
        while not self.finished:
            self.taken += 1
            yield


@pytest.fixture
def lanes(monkeypatch):
    """Lanes of this test alone, and who listens."""
    visitors = Visitors()
    long = Lane(width=1, each=1, room=2, listening=visitors.listening)
    quick = Lane(width=2, heavy=1, listening=visitors.listening)
    monkeypatch.setattr(turns, "LONG", long)
    monkeypatch.setattr(turns, "QUICK", quick)
    monkeypatch.setattr(turns, "LOOK", 0.01)
    return long, quick


def watch(run, ctx):
    return follow(
        run, ctx, "test", status="status", every=0, progress=lambda: {"at": run.taken},
        result=lambda: {"end": run.taken, "stopped": run.stopped},
    )  # fmt: skip


def test_a_run_goes_through_its_turn_and_frees_it(ctx, lanes):
    run = Run(config=None)
    assert list(watch(run, ctx)) == [{"at": 1}, {"at": 2}, {"end": 3, "stopped": False}]
    assert run.over
    assert len(lanes[0]) == 0


def test_a_run_that_waits_shows_its_place_and_can_be_stopped(ctx, lanes):
    ahead = lanes[0].enter(Visitor("ahead"), seconds=lambda: 70.0)
    run = Run(config=None)
    updates = watch(run, ctx)
    assert "Next in line, about 70 s." in next(updates)["status"]
    run.stopped = True
    assert list(updates) == [{"end": 0, "stopped": True}]
    lanes[0].leave(ahead)
    assert len(lanes[0]) == 0


def test_a_run_without_a_place_leaves_the_page_usable_and_says_why(ctx, lanes):
    for name in "abc":
        lanes[0].enter(Visitor(name))
    updates = watch(Run(config=None), ctx)
    assert next(updates) == {"end": 0, "stopped": True}
    with pytest.raises(Refused, match="The line is full: 2 runs are waiting"):
        next(updates)


def test_a_page_that_is_closed_frees_the_turn(ctx, lanes):
    run = Run(config=None)
    updates = watch(run, ctx)
    next(updates)
    updates.close()
    assert run.over
    assert len(lanes[0]) == 0


def test_a_run_that_fails_frees_the_turn(ctx, lanes):
    run = Run(config=None)
    run.steps = lambda ctx: iter(["step", 1 / 0])
    with pytest.raises(ZeroDivisionError):
        list(watch(run, ctx))
    assert len(lanes[0]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one priority a process")
def test_long_work_has_one_thread_of_lower_priority():
    def work():
        for _ in range(3):
            yield threading.get_ident(), os.getpriority(os.PRIO_PROCESS, 0)

    own = os.getpriority(os.PRIO_PROCESS, 0)
    found = list(turns.humbly(work()))
    assert len(set(found)) == 1
    assert found[0] == (found[0][0], min(19, own + turns.LOW))
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_quick_handlers_hold_a_turn_only_while_they_compute(lanes):
    _, quick = lanes

    def answer(x: int) -> int:
        assert len(quick) == 1
        return 2 * x

    def count():
        for i in range(2):
            assert len(quick) == 1
            yield i

    assert turns.quickly(answer)(21) == 42
    items = turns.quickly(count, heavy=True)()
    assert next(items) == 0
    assert len(quick) == 0
    assert list(items) == [1]


def test_a_turn_within_a_turn_waits_for_nothing(lanes):
    inner = turns.quickly(lambda: len(lanes[1]), heavy=True)
    assert turns.quickly(lambda: (inner(), inner()), heavy=True)() == (1, 1)
    assert len(lanes[1]) == 0


def test_what_takes_a_moment_has_no_line(ctx, lanes):
    lanes[0].enter(Visitor("somebody"))
    turns.paces_of("cpu").observe(Stage("test", 1, 3, 1.0), 3, 3.0)
    run = Run(config=None)
    updates = turns.take_turn(run, ctx, "test", waiting=str, work=iter("ab"), often_small=True)
    assert list(updates) == ["a", "b"]


def test_small_work_stays_small_on_a_busy_machine(ctx, monkeypatch):
    """It was put behind long runs when many others had made the ones before it slow."""
    monkeypatch.setattr(turns, "paces_of", lambda _: paces)
    paces = Paces({"test": 0.5})
    paces.observe(Stage("test", 1, 3, 1.0), 3, 300.0)
    assert turns.is_small(Run(config=None), ctx)
    paces = Paces({"test": 5.0})
    assert not turns.is_small(Run(config=None), ctx)


def test_quick_work_shares_the_cores_and_a_long_run_keeps_its_own(lanes, monkeypatch):
    monkeypatch.setattr(turns, "CORES", 4)
    used, before = turns.quickly(torch.get_num_threads), torch.get_num_threads()
    try:
        assert used() == 4  # nobody else
        others = [lanes[1].enter(Visitor("other"))]
        assert used() == 2
        lanes[0].enter(Visitor("paints"))
        assert used() == 1
        assert list(turns.humbly(torch.get_num_threads() for _ in "a")) == [4]
        assert torch.get_num_threads() == 1
        lanes[1].leave(others[0])
    finally:
        torch.set_num_threads(before)


def test_a_request_waits_outside_until_somebody_listens():
    visitors = Visitors()
    WatchStreams(None, visitors)
    late, never = Visitor("late", ("late",)), Visitor("never", ("never",))

    async def both():
        waiting = asyncio.ensure_future(visitors.heard(late, 30.0))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        with visitors.stream("late"):
            await asyncio.wait_for(waiting, 5.0)
            await visitors.heard(late, 0.0)
            await visitors.heard(Visitor("late", ("late", "other event")), 0.0)
        with visitors.stream("event"):
            await visitors.heard(Visitor("program", ("program", "event")), 0.0)
            await visitors.heard(Visitor("program", ("program", "next event")), 0.0)
        for gone in (never, Visitor("program", ("program", "last event"))):
            with pytest.raises(Refused, match="Nobody listened for the answer"):
                await visitors.heard(gone, 0.01)

    asyncio.run(both())


def test_of_too_many_requests_that_nobody_listens_to_the_oldest_goes():
    visitors = Visitors()
    WatchStreams(None, visitors)

    async def crowd():
        waiting = [
            asyncio.ensure_future(visitors.heard(Visitor(str(n), (str(n),)), 0.5))
            for n in range(UNHEARD + 2)
        ]
        done, _ = await asyncio.wait(waiting, timeout=0.1)
        assert done == set(waiting[:2])
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(crowd())


def test_streams_tell_who_listens():
    visitors, told = Visitors(), []
    visitors.tell(lambda: told.append(1))
    page, nobody, direct = Visitor("a", ("a", "e")), Visitor("b", ("b",)), Visitor("c")
    assert visitors.listening(nobody)  # nobody watches yet
    seen = []

    async def app(scope, receive, send):
        seen.append([visitors.listening(visitor) for visitor in (page, nobody, direct)])

    watched = WatchStreams(app, visitors)
    for path, query in (
        ("/gradio_api/queue/data", b"session_hash=a"),
        ("/sub/gradio_api/heartbeat/a", b""),
        ("/gradio_api/call/stylize/e", b""),
        ("/gradio_api/call/v2/stylize/e", b""),
        ("/config", b"session_hash=a"),
    ):
        scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
        asyncio.run(watched(scope, None, None))
    assert seen == [[True, False, True]] * 4 + [[False, False, True]]
    assert len(told) == 8
    assert not visitors.listening(page)
    assert stream_name({"type": "lifespan"}) is None


def test_nothing_is_done_for_a_job_that_nobody_listens_to(monkeypatch):
    visitors, done = Visitors(), []
    WatchStreams(None, visitors)

    async def process(self, *args, **kwargs):
        done.append(args)

    monkeypatch.setattr(visitors, "heard", functools.partial(visitors.heard, patience=0.01))
    monkeypatch.setattr(guarded_blocks, "VISITORS", visitors)
    monkeypatch.setattr(guarded_blocks.Blocks, "process_api", process)
    app = object.__new__(guarded_blocks.GuardedBlocks)
    post = functools.partial(app.process_api, "a", session_hash="s", event_id="e")
    with pytest.raises(gr.Error, match="Nobody listened for the answer"):
        asyncio.run(post())
    assert done == []
    with visitors.stream("e"):
        asyncio.run(post())
    asyncio.run(post(iterator=iter("the rest of an answer that began")))
    asyncio.run(post(event_id=None))  # whoever asks waits for the answer to this very request
    assert done == [("a",)] * 3
