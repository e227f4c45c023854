"""Hostile pictures and films, given to the command line: a result, or one sentence."""

import io
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing import get_context
from pathlib import Path

import pytest
from hostile import SMALL, hostile_pictures
from hostile_films import hostile_films

from cxdemo.__main__ import main

EXAMPLES = Path("cxdemo/examples")
GOOD = str(EXAMPLES / "photo_coffee.jpg")
PORTRAIT = str(EXAMPLES / "portrait_curie_1927.jpg")
MOST_MEMORY = 1_000_000  # kB beside what the process had
SOME, SOME_FILMS = len(SMALL), 9
MOST_TIME = 10  # seconds of one processor, with what the command does to a file that is fine

PICTURE_COMMANDS = (
    ("match", "FILE", GOOD, "--at", "50%,50%", "--layer", "rgb", "-o", "OUT.png"),
    ("sr", "FILE", "-o", "OUT.png"),
    ("face", "translate", "FILE", "--to", "to-drawn", "-o", "OUT.webp"),
    ("match", GOOD, GOOD, "--at", "9,9", "--settings", "FILE", "-o", "OUT.svg"),
    ("style", GOOD, "FILE", "--size", "64", "--num-steps", "2", "-o", "OUT.tif"),
)
FILM_COMMANDS = (
    ("face", "animate", PORTRAIT, "FILE", "--num-steps", "20", "--size", "64", "-o", "OUT.mp4"),
    ("face", "animate", "FILE", "FILE", "--num-steps", "20", "--size", "64", "-o", "OUT.gif"),
    ("face", "animate", PORTRAIT, GOOD, "--settings", "FILE", "-o", "OUT.mp4"),
)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run_all(commands, files, folder):
    """Runs a command for each file: what, code, what was said, seconds; and the memory, kB."""
    for command in commands:  # what a command loads once is not a file's fault
        run(command, GOOD, folder / "first")
    before, found = peak(), []
    for index, (name, content) in enumerate(files):
        command = commands[index % len(commands)]
        file = folder / f"in-{index}{Path(name).suffix[:9] or '.png'}"
        file.write_bytes(content)
        began = time.process_time()
        code, said = run(command, str(file), folder / f"out-{index}")
        found.append((f"{index} {name} {command[:2]}", code, said, time.process_time() - began))
        file.unlink()
    return found, peak() - before


def run(command, file, result):
    """Code and words of the command line."""
    places = {"FILE": file} | {part: f"{result}{part[3:]}" for part in command if "OUT" in part}
    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        code = main([places.get(part, part) for part in command])
    return code, said.getvalue()


def check(found, memory):
    """The share that was refused."""
    for what, code, said, seconds in found:
        assert code in {0, 2}, (what, said)
        assert "unexpected" not in said, (what, said)
        assert "Traceback" not in said, (what, said)
        assert code == 0 or said.count("\n") == 1, (what, said)
        assert seconds < MOST_TIME, (what, seconds)
    assert memory < MOST_MEMORY
    return sum(code == 2 for _, code, _, _ in found) / len(found)


def run_beside(commands, files, folder):
    """The same in a process of its own, whose memory is known."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(run_all, commands, files, folder).result()


@pytest.mark.filterwarnings("default")  # as on a terminal, where what Pillow repairs is not told
def test_some_hostile_pictures_through_the_command_line(tmp_path):
    pictures = list(hostile_pictures(SOME, large=False))
    assert 0.5 < check(*run_all(PICTURE_COMMANDS[:-1], pictures, tmp_path)) < 1


@pytest.mark.filterwarnings("default")
def test_some_hostile_films_through_the_command_line(tmp_path):
    films = list(hostile_films(tmp_path, seed=5, count=SOME_FILMS))
    assert check(*run_all(FILM_COMMANDS, films, tmp_path)) == 1  # noise has no face


@pytest.mark.slow
def test_all_hostile_pictures_through_the_command_line(tmp_path):
    pictures = list(hostile_pictures(300))
    assert 0.5 < check(*run_beside(PICTURE_COMMANDS, pictures, tmp_path)) < 1


@pytest.mark.slow
def test_all_hostile_films_through_the_command_line(tmp_path):
    films = list(hostile_films(tmp_path, seed=1, count=100, size=(1280, 720)))
    assert check(*run_beside(FILM_COMMANDS, films, tmp_path)) == 1
