"""The app as a visitor meets it: `python app.py` in a process of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 120  # seconds; a machine that does much else is slow to import torch


class App(NamedTuple):
    url: str
    log: Path


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """The running app, without a network."""
    with _serve(tmp_path_factory.mktemp("app") / "log.txt", "app.py") as running:
        yield running


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """The app as it runs in a Space that borrows a GPU, and the log of what is borrowed."""
    pytest.importorskip("spaces", reason="the emulation is that of the package `spaces`")
    folder = tmp_path_factory.mktemp("space")
    borrowed = folder / "borrowed.txt"
    with _serve(folder / "log.txt", "tests/lent_gpu.py", str(borrowed)) as running:
        yield running, borrowed


@contextmanager
def _serve(log, *command):
    port = _free_port()
    environment = os.environ | {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(log.parent / "gradio"),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(log.parent / "hub"),
    }
    environment["PYTHONPATH"] = str(ROOT)
    for variable in ("SPACE_ID", "GRADIO_SERVER_NAME", "GRADIO_ANALYTICS_ENABLED"):
        environment.pop(variable, None)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(f"http://127.0.0.1:{port}/", process, log)
        yield App(f"http://127.0.0.1:{port}/", log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ProcessLookupError):  # workers that outlive it
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")  # its event loop would be in the way of other tests
def browser():
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.fail(
            "These tests drive Chromium, and there is none: apt-get install chromium (or leave "
            "them out with -m 'not browser')."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url, process, log):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"app.py ended with status {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"app.py did not answer within {PATIENCE} s:\n{log.read_text()}")
