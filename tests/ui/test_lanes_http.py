"""Many visitors at once over HTTP, with pipelines that take their time."""

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).resolve().parent
PICTURE = HERE.parents[1] / "cxdemo" / "examples" / "portrait_curie_1927.jpg"
PATIENCE = 120  # seconds; a machine that does much else is slow


class Program:
    """A client of the API, without a library that would hide anything."""

    def __init__(self, url):
        self.http = httpx.Client(base_url=url, timeout=PATIENCE)
        found = self.http.post(
            "/gradio_api/upload", files={"files": (PICTURE.name, PICTURE.read_bytes())}
        )
        self.picture = {"path": found.json()[0], "meta": {"_type": "gradio.FileData"}}

    def post(self, name, *data, session=None):
        body = {"data": list(data)} | ({"session_hash": session} if session else {})
        return self.http.post(f"/gradio_api/call/{name}", json=body)

    def stylize(self, session=None, size=64):
        settings = ("fast", 1, size, 0, False)
        return self.post("stylize", self.picture, self.picture, *settings, session=session)

    def answers(self, name, job):
        """Names and data of the events of a job, until it ends or nobody asks for more."""
        address = f"/gradio_api/call/{name}/{job.json()['event_id']}"
        with self.http.stream("GET", address) as stream:
            event = ""
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                elif line.startswith("data: ") and event != "heartbeat":
                    yield event, json.loads(line.removeprefix("data: "))

    def click(self):
        """Something quick. Returns its seconds."""
        began = time.monotonic()
        job = self.post("upscale", self.picture, "bicubic", 0)
        assert job.status_code == 200, job.text
        *_, (event, _) = self.answers("upscale", job)
        assert event == "complete"
        return time.monotonic() - began


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Of the app with slow pipelines, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("slow") / "log.txt"
    with log.open("wb") as said:
        command = [sys.executable, str(HERE / "slow_app.py"), str(port)]
        process = subprocess.Popen(command, cwd=HERE.parents[1], stdout=said, stderr=said)
    try:
        wait_until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def programs(url):
    """Three of them."""
    made = [Program(url) for _ in range(3)]
    yield made
    for program in made:
        program.http.close()


@contextmanager
def listening(program, job):
    """Collects what a job says, as long as it lasts."""
    said, stop = [], threading.Event()

    def listen():
        with suppress(httpx.HTTPError, OSError):  # whoever leaves cuts the line
            for event, data in program.answers("stylize", job):
                said.append((event, data))
                if stop.is_set():
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield said
    finally:
        stop.set()
        thread.join(PATIENCE)


def wait_until(condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)


def waits(said):
    """The sentences of the line."""
    told = [data[1] for _, data in said if isinstance(data, list)]
    return [found["waiting"] for found in told if "waiting" in found]


def painted(said):
    """Steps of the pictures that came."""
    return [data[1]["steps_taken"] for _, data in said if isinstance(data, list) and data[0]]


def test_jobs_that_nobody_listens_to_disturb_nobody(programs):
    program = programs[0]
    quiet = program.click()
    jobs = [program.stylize() for _ in range(30)]
    assert {job.status_code for job in jobs} == {200}
    assert program.click() < quiet + 3
    began = time.monotonic()
    with listening(program, program.stylize()) as said:
        wait_until(lambda: painted(said))
        assert time.monotonic() - began < 3 + 20 * quiet
        assert waits(said) == []


def test_the_line_is_told_and_moves_up(programs):
    program, *others = programs
    with listening(program, program.stylize("first")) as first:
        wait_until(lambda: painted(first))
        with listening(others[0], others[0].stylize("second")) as second:
            wait_until(lambda: waits(second))
            with listening(others[1], others[1].stylize("third")) as third:
                wait_until(lambda: waits(third))
                assert waits(second)[0].startswith("Next in line, about ")
                assert waits(third)[0].startswith("Second in line, about ")
                assert program.click() < PATIENCE  # beside them
                others[1].stylize("third")  # its answer comes by the stream that is open
                wait_until(lambda: any(event == "error" for event, _ in third))
                assert "Your style transfer is still waiting in line" in json.dumps(third)
                wait_until(lambda: painted(second) and painted(third))
    assert first[-1][0] == "complete"
    assert waits(third)[-1].startswith("Next in line")


def test_who_leaves_the_line_frees_the_place(programs):
    program, other, last = programs
    with listening(program, program.stylize("a")) as first:
        wait_until(lambda: painted(first))
        with listening(other, other.stylize("b")) as second:
            wait_until(lambda: waits(second))
            with listening(last, last.stylize("c")) as third:
                wait_until(lambda: waits(third))
                other.http.close()
                wait_until(lambda: waits(third)[-1].startswith("Next in line") or painted(third))
                wait_until(lambda: painted(third))
    assert painted(second) == []
