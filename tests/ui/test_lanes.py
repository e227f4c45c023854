"""The rules of the lanes, by a clock that does not run."""

import threading

import pytest

from cxdemo.ui.kit.lanes import PATIENCE, UNHEARD, Lane, Place, Refused, Visitor, tell_place


class World:
    """A clock, and who listens."""

    def __init__(self, **options):
        self.now, self.away = 0.0, set()
        self.lane = Lane(
            listening=lambda visitor: visitor.session not in self.away,
            clock=lambda: self.now,
            **options,
        )

    def enter(self, name, seconds=60.0, **options):
        return self.lane.enter(Visitor(name), "style transfer", seconds=lambda: seconds, **options)

    def running(self, *tickets):
        return [t.visitor.session for t in tickets if self.lane.wait(t, 0)]


@pytest.fixture
def long():
    return World(width=1, room=3, each=1)


def test_one_long_run_at_a_time_in_the_order_of_coming(long):
    a, b, c = (long.enter(name) for name in "abc")
    assert long.running(a, b, c) == ["a"]
    long.lane.leave(a)
    long.lane.leave(a)  # twice is no more than once
    assert long.running(b, c) == ["b"]
    long.lane.leave(c)  # gives up while it waits
    long.lane.leave(b)
    assert len(long.lane) == 0


def test_the_place_and_the_time_until_it_is_there(long):
    times = {"a": 30, "b": 50, "c": 40, "d": 9}
    _, b, c, d = (long.enter(name, seconds) for name, seconds in times.items())
    assert long.lane.place(b) == Place(1, 30.0)
    assert long.lane.place(c) == Place(2, 80.0)
    assert long.lane.place(d) == Place(3, 120.0)
    assert tell_place(long.lane.place(d)) == "Third in line, about 2 minutes."
    long.lane.leave(b)
    assert tell_place(long.lane.place(d)) == "Second in line, about 70 s."


def test_an_estimate_that_nobody_knows_is_not_told(long):
    long.enter("a", None)
    b = long.enter("b")
    assert tell_place(long.lane.place(b)) == "Next in line."
    assert tell_place(Place(11, 600)) == "Number 11 in line, about 10 minutes."


def test_a_visitor_has_one_long_run(long):
    a, _ = long.enter("a"), long.enter("b")
    with pytest.raises(Refused, match="Your style transfer is still running: stop it first"):
        long.enter("a")
    with pytest.raises(Refused, match="Your style transfer is still waiting in line"):
        long.lane.check(Visitor("b"))
    long.lane.leave(a)
    long.enter("a")


def test_the_line_has_an_end(long):
    tickets = [long.enter(name) for name in "abcd"]
    with pytest.raises(Refused, match=r"3 runs are waiting, about 4 minutes of work\. Try again"):
        long.enter("e")
    long.lane.leave(tickets[0])
    long.enter("e")


def test_work_that_nobody_listens_to_is_in_nobodys_way(long):
    long.away = {f"gone {i}" for i in range(2 * UNHEARD)}
    gone = [long.enter(name) for name in sorted(long.away)]
    a, b = long.enter("a"), long.enter("b")
    assert long.running(a, b) == ["a"]  # though the others came first
    assert long.lane.place(b) == Place(1, 60.0)
    assert len(long.lane) == UNHEARD + 2  # the oldest went when there were too many
    long.now += PATIENCE + 1
    long.lane.notice()
    assert len(long.lane) == 2
    for ticket in gone:
        with pytest.raises(Refused, match="Nobody listened"):
            long.lane.wait(ticket, 0)


def test_work_begins_when_somebody_listens(long):
    long.away = {"a"}
    a, b = long.enter("a"), long.enter("b")
    assert long.running(a, b) == ["b"]
    long.away.clear()
    long.now += 5
    assert long.lane.place(a) == Place(1, 60.0)
    c = long.enter("c")
    long.lane.leave(b)
    assert long.running(a, c) == ["a"]


def test_who_has_gone_loses_the_place_and_the_run(long):
    a, b, c = (long.enter(name) for name in "abc")
    long.away = {"a", "b"}
    long.now += PATIENCE / 4
    assert not long.lane.gone(a)  # it may come back
    assert long.lane.place(c) == Place(1, 60.0)  # meanwhile nobody waits for b
    long.now += PATIENCE
    assert long.lane.gone(a)
    with pytest.raises(Refused, match="Nobody listened"):
        long.lane.wait(b, 0)
    long.lane.leave(a)
    assert long.running(c) == ["c"]


def test_a_place_is_kept_while_somebody_comes_back(long):
    a, b, c = (long.enter(name) for name in "abc")
    long.away = {"b"}
    long.now += PATIENCE / 2
    long.lane.notice()
    long.away.clear()
    assert long.lane.place(b) == Place(1, 60.0)
    long.lane.leave(a)
    assert long.running(b, c) == ["b"]


def test_quick_work_is_shared_by_visitors_not_by_requests():
    quick = World(width=2, in_turn=True, each=40)
    flood = [quick.enter("flood") for _ in range(30)]
    assert quick.running(*flood) == ["flood", "flood"]
    a, b = quick.enter("a"), quick.enter("b")
    quick.lane.leave(flood[0])
    assert quick.running(a, b, *flood[2:]) == ["a"]  # before the 28 that came earlier
    quick.lane.leave(flood[1])
    assert quick.running(a, b, *flood[2:]) == ["a", "b"]


def test_heavy_quick_work_leaves_a_place_for_clicks():
    quick = World(width=3, heavy=1, in_turn=True)
    surveys = [quick.enter(f"survey {i}", heavy=True) for i in range(4)]
    clicks = [quick.enter(f"click {i}") for i in range(3)]
    assert quick.running(*surveys) == ["survey 0"]
    assert quick.running(*clicks) == ["click 0", "click 1"]
    quick.lane.leave(clicks[0])
    assert quick.running(*surveys[1:], *clicks[1:]) == ["click 1", "click 2"]
    quick.lane.leave(surveys[0])
    assert quick.running(*surveys[1:]) == ["survey 1"]


def test_one_visitor_cannot_fill_the_quick_lane():
    quick = World(width=1, in_turn=True, each=3)
    for _ in range(3):
        quick.enter("a")
    with pytest.raises(Refused, match="3 of your requests are waiting already"):
        quick.enter("a")
    quick.enter("b")


def test_those_who_wait_do_not_keep_each_other_busy():
    looks = []

    def listening(visitor):
        looks.append(visitor)
        return True

    lane = Lane(width=1, listening=listening)
    lane.enter(Visitor("works"))
    tickets = [lane.enter(Visitor(name)) for name in "abcd"]
    looks.clear()
    threads = [threading.Thread(target=lane.wait, args=(t, 0.4)) for t in tickets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) <= 4 * 5 * 3  # each looks at all five when it comes, and once a `POLL`
