"""A class of fifty at once, on this machine: who is refused, and how long everybody waits.

    python -m cxdemo bench load
    python -m cxdemo bench load --soak 30 --output curve.csv
    python -m cxdemo bench load --visits 200

It starts an app of its own, without a network, and visits it over HTTP from this process, so that
both share the processors: the times are those of a small server that also runs the browsers. Thirty
visitors click patches, ten translate faces, six enlarge small pictures and four paint in a style,
again and again; in the middle, thirty jobs are posted whose answers nobody reads.

A soak goes on for longer, with visitors who come and go, and writes the server's memory, open
files, threads and temporary files over time. With --visits, visitors come one after another, look
around and leave, and what the server's memory gains by them is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import math
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "cxdemo" / "examples"
FACES = ("portrait_astronaut", "portrait_curie_1927", "portrait_einstein_1927", "portrait_monalisa")
PHOTOS = ("photo_cat_chelsea", "photo_city_night", "photo_coffee", "photo_dog", "photo_parrot")
STYLES = ("painting_great_wave", "painting_kandinsky_viii", "painting_starry_night")
DIRECTIONS = ("to-drawn", "to-female", "to-male")
TINY = (96, 72)  # pixels of a picture that is enlarged by somebody who waits for it
MIX = {"click": 30, "translate": 10, "upscale": 6, "style": 4}
QUICK = ("click", "translate", "upscale")
MEDIAN, LATE, DISTURBED = 0.4, 1.5, 3.0  # seconds: what is asked of quick work on two quiet cores
FLAT = 100.0  # megabytes that a soak may gain after its first minutes
SETTLED = 5.0  # minutes
START = 180.0  # seconds until the app has to answer
PATIENCE = 120.0  # seconds for an answer
LEFT = 50.0  # megabytes that visits may leave behind
FIRST = 20  # visits that do not count: caches fill
EVERY = 10.0  # seconds between two samples of a soak


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is done. The command line's flags are these."""

    seconds: float = 60.0
    share: float = 1.0  # of the visitors
    pause: float = 10.0  # seconds that a visitor looks at an answer, on average
    abandoned: int = 30
    soak: float = 0.0  # minutes
    visits: int = 0
    seed: int = 0


class Answer(NamedTuple):
    """One request."""

    kind: str
    asked: float  # seconds since the beginning
    seconds: float
    refused: str  # the sentence; "" if it was answered


class Sample(NamedTuple):
    """The server at one moment of a soak."""

    minutes: float
    memory: float  # megabytes
    descriptors: int
    threads: int
    files: int  # temporary ones
    folders: int


@dataclass
class Record:
    """What happened."""

    answers: list[Answer] = field(default_factory=list)
    unfinished: Counter[str] = field(default_factory=Counter)  # by kind, at the end
    samples: list[Sample] = field(default_factory=list)
    abandoned_at: float | None = None
    left: float | None = None  # megabytes that visits left behind
    began: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    @asynccontextmanager
    async def timed(self, kind: str) -> AsyncIterator[None]:
        """Notes how long something took, or the sentence with which it was refused."""
        import httpx

        asked, refused = self.now, ""
        try:
            yield
        except (Refused, httpx.TransportError) as error:
            refused = str(error) or type(error).__name__
        except asyncio.CancelledError:
            self.unfinished[kind] += 1
            raise
        self.answers.append(Answer(kind, asked, self.now - asked, refused))


class Refused(Exception):  # noqa: N818  an answer, and no fault
    """The server said no."""


# ------------------------------------------------------------------------------ the command line


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns 0 if everything that was asked for was reached."""
    args = vars(_parser().parse_args(argv))
    output, as_json = args.pop("output"), args.pop("json")
    settings = Settings(**args)
    if output is not None and Path(output).suffix not in {".csv", ".json"}:
        raise ValueError(f"{output}: the curve is written as .csv or .json.")
    with serve() as app:
        record = asyncio.run(visit(app, settings))
    if output is not None:
        write(record, Path(output))
    if as_json:
        print(json.dumps(as_dict(record), indent=2))
    else:
        for line in tell(record):
            print(line)
    return 0 if all(reached for _, reached in judge(record)) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cxdemo bench load", description=__doc__)
    default = Settings()
    add = parser.add_argument
    add("--seconds", type=_bounded(5, 600), default=default.seconds, help="of the class; 5 to 600")
    add("--share", type=_bounded(0.02, 4), default=default.share,
        help="of the fifty visitors, 0.02 to 4")  # fmt: skip
    add("--pause", type=_bounded(0.5, 60), default=default.pause,
        help="seconds that a visitor looks at an answer")  # fmt: skip
    add("--abandoned", type=lambda text: int(_bounded(0, 200)(text)), default=default.abandoned,
        help="jobs whose answer nobody reads")  # fmt: skip
    add("--soak", type=_bounded(0, 240), default=default.soak, metavar="MINUTES",
        help="go on for so long, with a fifth of the visitors")  # fmt: skip
    add("--visits", type=lambda text: int(_bounded(0, 2000)(text)), default=default.visits,
        help="visits one after another, instead of a class")  # fmt: skip
    add("--seed", type=int, default=default.seed)
    add("--output", metavar="FILE", help="the curve of a soak, .csv or .json")
    add("--json", action="store_true", help="print everything as JSON")
    return parser


def _bounded(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not in {low:g} to {high:g}")
        return value

    return read


# ------------------------------------------------------------------------------------ the server


class App(NamedTuple):
    """A running app."""

    url: str
    pid: int
    folder: Path  # of its temporary files


@contextmanager
def serve() -> Iterator[App]:
    """An app in a process of its own, on this machine, without a network.

    Raises:
        ValueError: This is no clone of the repository, or the app does not start.
    """
    if not (ROOT / "app.py").is_file():
        raise ValueError(
            f"bench load starts app.py, and there is none in {ROOT}: run it in a clone."
        )
    with tempfile.TemporaryDirectory(prefix="cxdemo-load-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), _free_port()
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=_environment(folder, port),
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            app = App(f"http://127.0.0.1:{port}", process.pid, folder)
            _wait_for(app, process)
            yield app
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


def _environment(folder: Path, port: int) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in {"SPACE_ID", "GRADIO_SERVER_NAME"}}
    own = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(folder),
    }
    return kept | own


def _wait_for(app: App, process: subprocess.Popen[bytes]) -> None:
    import httpx

    until = time.monotonic() + START
    while time.monotonic() < until:
        if process.poll() is not None:
            said = (app.folder / "log.txt").read_text(errors="replace").strip().splitlines()
            raise ValueError(f"The app ended: {said[-1] if said else 'without a word'}")
        with suppress(httpx.HTTPError):
            if httpx.get(f"{app.url}/", timeout=10).status_code == 200:
                return
        time.sleep(0.2)
    raise ValueError(f"The app did not answer within {START:.0f} s.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---------------------------------------------------------------------------------- the visitors


class Visitor:
    """A session, as a page or a program has it.

    Args:
        client: An `httpx.AsyncClient` whose addresses begin at the app.
        record: Where the answers are noted.
        chance: What chooses patches, pictures and directions.
    """

    def __init__(self, client: Any, record: Record, chance: random.Random) -> None:
        self._client, self._record, self._chance = client, record, chance
        self.session = uuid.uuid4().hex
        self._uploaded: dict[str, Any] = {}

    @asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        """Keeps the stream open by which the server knows that somebody is there."""
        beating = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await beating

    async def _listen(self) -> None:
        async with self._client.stream(
            "GET", f"/gradio_api/heartbeat/{self.session}", timeout=None
        ) as stream:
            async for _ in stream.aiter_bytes():
                pass

    async def open_page(self) -> None:
        """Fetches the page, as a browser does first."""
        async with self._record.timed("page"):
            answer = await self._client.get("/")
            if answer.status_code != 200:
                raise Refused(f"HTTP {answer.status_code}")

    async def arrive(self) -> None:
        """Opens the first example of patch similarity, as the page does by itself."""
        async with self._record.timed("arrive"):
            await self._run("match_arrive", {"search": ""})

    async def click(self) -> None:
        """Asks for the partners of a patch."""
        async with self._record.timed("click"):
            x, y = self._chance.random(), self._chance.random()
            await self._run("match_ask", {"x": x, "y": y})

    async def translate(self) -> None:
        """A face in another domain."""
        picture = await self._upload(self._chance.choice(FACES))
        async with self._record.timed("translate"):
            await self._call("face_translate", [picture, self._chance.choice(DIRECTIONS)])

    async def upscale(self) -> None:
        """A small picture at four times its size."""
        picture = await self._upload(self._chance.choice(PHOTOS), TINY)
        async with self._record.timed("upscale"):
            await self._call("upscale", [picture, "cx", 2])

    async def style(self) -> None:
        """A style transfer, with its time in line."""
        data = await self._order_style()
        async with self._record.timed("style"):
            await self._call("stylize", data, patience=1800)

    async def abandon(self) -> None:
        """Posts a style transfer and never reads the answer."""
        data = await self._order_style()
        await self._client.post("/gradio_api/call/stylize", json={"data": data})

    async def _order_style(self) -> list[Any]:
        pictures = [await self._upload(self._chance.choice(names)) for names in (PHOTOS, STYLES)]
        return [*pictures, "fast", 1, 256, 0, False]

    async def _upload(self, name: str, size: tuple[int, int] | None = None) -> dict[str, Any]:
        if name not in self._uploaded:
            file = f"{name}.jpg"
            picture = (EXAMPLES / file).read_bytes()
            files = {"files": (file, _shrink(picture, size) if size else picture)}
            answer = await self._client.post("/gradio_api/upload", files=files)
            if answer.status_code != 200:
                raise Refused(_sentence(answer))
            self._uploaded[name] = {
                "path": answer.json()[0], "orig_name": file,
                "meta": {"_type": "gradio.FileData"},
            }  # fmt: skip
        return self._uploaded[name]

    async def _run(self, name: str, event: dict[str, Any]) -> None:
        """An event of the page that is answered by the request itself."""
        events = await _events(self._client)
        number, data = events[name]
        body = {
            "data": data, "event_data": event, "fn_index": number, "session_hash": self.session,
            "trigger_id": None,
        }  # fmt: skip
        answer = await self._client.post(f"/gradio_api/run/{name}", json=body, timeout=PATIENCE)
        if answer.status_code != 200:
            raise Refused(_sentence(answer))
        for part in answer.json()["data"]:
            value = part.get("value") if isinstance(part, dict) else None
            if isinstance(value, dict) and "error" in value:
                raise Refused(value["error"])

    async def _call(self, name: str, data: list[Any], patience: float = PATIENCE) -> None:
        """An endpoint: the job is posted, and its stream is read to the end."""
        body = {"data": data, "session_hash": self.session}
        accepted = await self._client.post(f"/gradio_api/call/{name}", json=body, timeout=PATIENCE)
        if accepted.status_code != 200:
            raise Refused(_sentence(accepted))
        address = f"/gradio_api/call/{name}/{accepted.json()['event_id']}"
        async with self._client.stream("GET", address, timeout=patience) as stream:
            event = ""
            async for line in stream.aiter_lines():
                event = line.removeprefix("event: ") if line.startswith("event: ") else event
                if line.startswith("data: ") and event == "complete":
                    return
                if line.startswith("data: ") and event == "error":
                    raise Refused(line.removeprefix("data: ") or "an error without a word")
        raise Refused("the stream ended without an answer")


def _shrink(picture: bytes, size: tuple[int, int]) -> bytes:
    """A picture at so many pixels, as PNG."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(picture)) as opened:
        small = opened.convert("RGB").resize(size)
    small.save(stored := io.BytesIO(), "PNG")
    return stored.getvalue()


_EVENTS: dict[str, dict[str, tuple[int, list[Any]]]] = {}


async def _events(client: Any) -> dict[str, tuple[int, list[Any]]]:
    """By name: number and first values of the events of the page."""
    address = str(client.base_url)
    if address not in _EVENTS:
        config = (await client.get("/config")).json()
        values = {part["id"]: part["props"].get("value") for part in config["components"]}
        _EVENTS[address] = {
            found["api_name"]: (found["id"], [values.get(i) for i in found["inputs"]])
            for found in config["dependencies"]
        }
    return _EVENTS[address]


def _sentence(answer: Any) -> str:
    """Why a request was refused."""
    with suppress(ValueError, AttributeError):
        body = answer.json()
        return str(body.get("error") or body.get("detail") or answer.status_code)
    return f"HTTP {answer.status_code}"


async def visit(app: App, settings: Settings) -> Record:
    """All visitors at once, for as long as the settings say."""
    import httpx

    record = Record()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(base_url=app.url, limits=limits, timeout=PATIENCE) as client:
        await _warm_up(client)
        record.began = time.monotonic()
        if settings.visits:
            record.left = await _come_and_leave(app, client, record, settings)
            return record
        seconds = 60 * settings.soak or settings.seconds
        share = settings.share * (0.2 if settings.soak else 1.0)
        tasks = [
            asyncio.create_task(_come_and_go(client, record, kind, settings, seconds, number))
            for kind, count in MIX.items()
            for number in range(max(1, round(count * share)))
        ]
        tasks.append(asyncio.create_task(_abandon(client, record, settings, seconds)))
        if settings.soak:
            tasks.append(asyncio.create_task(_watch(app, record, seconds)))
        _, late = await asyncio.wait(tasks, timeout=seconds + PATIENCE)
        for task in late:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
    return record


async def _warm_up(client: Any) -> None:
    """One of each, so that no network is read while the others wait; none of it counts."""
    first = Visitor(client, Record(), _chance(0, "first"))
    async with first.present():
        for action in (first.arrive, first.click, first.translate, first.upscale):
            await action()


def _chance(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed} {name}")  # noqa: S311  no secret


async def _come_and_go(
    client: Any, record: Record, kind: str, settings: Settings, seconds: float, number: int
) -> None:
    """A place in the class; in a soak it is taken by one visitor after another."""
    chance = _chance(settings.seed, f"{kind} {number}")
    await asyncio.sleep(chance.uniform(0, min(10.0, seconds / 4)))
    stay = 60.0 if settings.soak else seconds
    while record.now < seconds:
        leaves = min(seconds, record.now + chance.uniform(0.5, 1.5) * stay)
        visitor = Visitor(client, record, chance)
        async with visitor.present():
            await visitor.open_page()
            if kind == "click":
                await visitor.arrive()
            act: Callable[[], Awaitable[None]] = getattr(visitor, kind)
            while record.now < (leaves if settings.soak else seconds):
                await asyncio.sleep(chance.expovariate(1 / settings.pause))
                try:
                    await asyncio.wait_for(act(), max(1.0, seconds - record.now + PATIENCE / 2))
                except TimeoutError:
                    return  # a style transfer that still waits when the class is over


async def _abandon(client: Any, record: Record, settings: Settings, seconds: float) -> None:
    """Jobs that nobody listens to, in the middle."""
    if not settings.abandoned:
        return
    await asyncio.sleep(seconds / 2)
    nobody = Visitor(client, record, _chance(settings.seed, "nobody"))
    record.abandoned_at = record.now
    await asyncio.gather(*(nobody.abandon() for _ in range(settings.abandoned)))


async def _come_and_leave(app: App, client: Any, record: Record, settings: Settings) -> float:
    """Megabytes that the server gains by visits, after the first few."""
    before = 0.0
    for number in range(FIRST + settings.visits):
        if number == FIRST:
            before = measure(app, 0).memory
        visitor = Visitor(client, record, _chance(settings.seed, f"visit {number}"))
        async with visitor.present():
            await visitor.open_page()
            await visitor.arrive()
            await visitor.click()
    return measure(app, 0).memory - before


async def _watch(app: App, record: Record, seconds: float) -> None:
    while record.now < seconds:
        record.samples.append(measure(app, record.now / 60))
        await asyncio.sleep(EVERY)


def measure(app: App, minutes: float) -> Sample:
    """The server's process now.

    Raises:
        ValueError: This system does not tell; Linux does.
    """
    place = Path("/proc") / str(app.pid)
    if not place.is_dir():
        raise ValueError("A soak reads /proc, which only Linux has: leave --soak out.")
    fields = dict(
        line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line
    )
    inside = [path.is_dir() for path in app.folder.rglob("*")]
    return Sample(
        round(minutes, 2),
        round(int(fields["VmRSS"].split()[0]) / 1000, 1),
        len(list((place / "fd").iterdir())),
        int(fields["Threads"]),
        inside.count(False),
        inside.count(True),
    )


# ----------------------------------------------------------------------------------- the figures


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies, of those that there are.

    Example:
        >>> percentile([4.0, 1.0, 3.0, 2.0], 0.5), percentile([4.0, 1.0, 3.0, 2.0], 0.95)
        (2.0, 4.0)
    """
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def judge(record: Record) -> list[tuple[str, bool]]:
    """What was asked for, and whether it was reached."""
    quick = [a for a in record.answers if a.kind in QUICK]
    times = [a.seconds for a in quick if not a.refused] or [math.inf]
    refused = sum(bool(a.refused) for a in quick)
    median, late = percentile(times, 0.5), percentile(times, 0.95)
    found = [
        (f"{refused} of {len(quick)} quick requests were refused; none should be", not refused),
        (f"median of quick work {median:.2f} s; {MEDIAN} s or less is asked", median <= MEDIAN),
        (f"95th percentile {late:.2f} s; {LATE} s or less is asked", late <= LATE),
    ]
    if record.abandoned_at is not None:
        worst = worst_after(record, record.abandoned_at)
        said = f"longest wait in the 10 s after the abandoned jobs {worst:.2f} s"
        found.append((f"{said}; {DISTURBED:g} s or less is asked", worst <= DISTURBED))
    if record.left is not None:
        said = f"memory gained by the visits {record.left:.0f} MB; {LEFT:g} MB or less is asked"
        found.append((said, record.left <= LEFT))
    settled = [s.memory for s in record.samples if s.minutes >= SETTLED]
    if len(settled) > 1:
        gained = max(settled) - min(settled)
        said = f"memory moved by {gained:.0f} MB after {SETTLED:g} minutes"
        found.append((f"{said}; {FLAT:g} MB or less is asked", gained <= FLAT))
    return found


def worst_after(record: Record, moment: float, seconds: float = 10.0) -> float:
    """The longest that quick work took which was asked for soon after a moment."""
    after = [
        a.seconds
        for a in record.answers
        if a.kind in QUICK and moment <= a.asked + a.seconds and a.asked <= moment + seconds
    ]
    return max(after, default=0.0)


def tell(record: Record) -> Iterator[str]:
    """A table by kind, the sentences of refusals, and what was reached."""
    yield f"{'kind':10} {'asked':>6} {'refused':>8} {'median s':>10} {'95 % s':>8} {'worst s':>9}"
    for kind in ("page", "arrive", *MIX):
        own = [a for a in record.answers if a.kind == kind]
        times = [a.seconds for a in own if not a.refused]
        figures = (percentile(times, 0.5), percentile(times, 0.95), max(times)) if times else None
        shown = " ".join(
            f"{value:{width}.2f}" for value, width in zip(figures, (10, 8, 9), strict=True)
        ) if figures else f"{'-':>10} {'-':>8} {'-':>9}"  # fmt: skip
        yield f"{kind:10} {len(own):6} {sum(bool(a.refused) for a in own):8} {shown}"
    for kind, count in record.unfinished.items():
        yield f"{kind}: {count} still waited or ran at the end"
    for sentence in sorted({a.refused for a in record.answers if a.refused})[:10]:
        yield f"refused: {sentence}"
    if record.samples:
        first, last = record.samples[0], record.samples[-1]
        for name in Sample._fields[1:]:
            yield f"{name}: {getattr(first, name)} at first, {getattr(last, name)} at the end"
    for said, reached in judge(record):
        yield f"{'reached' if reached else 'MISSED'}: {said}"


def as_dict(record: Record) -> dict[str, Any]:
    """Everything, for JSON."""
    return {
        "answers": [answer._asdict() for answer in record.answers],
        "samples": [sample._asdict() for sample in record.samples],
        "abandoned_at": record.abandoned_at,
        "left": record.left,
        "goals": [{"said": said, "reached": reached} for said, reached in judge(record)],
    }


def write(record: Record, path: Path) -> None:
    """The curve of a soak: a line a sample as .csv, or everything as .json."""
    if path.suffix == ".json":
        path.write_text(json.dumps(as_dict(record), indent=2) + "\n", encoding="utf-8")
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Sample._fields)
        writer.writerows(record.samples)
