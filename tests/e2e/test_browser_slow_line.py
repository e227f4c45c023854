"""The page behind a line that holds back the end of Gradio's stream of events.

The page asks for the next event while the old stream is ending; without `event_stream.js` nobody
reads its answer.
"""

import contextlib
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from e2e.visit import SLOW, Visit

pytestmark = pytest.mark.browser

END = b'data: {"msg":"close_stream"'
DELAY = 0.8  # seconds; longer than an event needs to be asked for


class SlowLine:
    """Passes bytes on to the app, and counts the ends of streams that it held back."""

    def __init__(self, url):
        self.held = 0
        self._goal = (urlsplit(url).hostname, urlsplit(url).port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._door.close()

    def _serve(self):
        while True:
            try:
                page, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(page,), daemon=True).start()

    def _connect(self, page):
        with page, socket.create_connection(self._goal) as app:
            back = threading.Thread(target=self._pass_on, args=(app, page), daemon=True)
            back.start()
            self._pass_on(page, app)
            back.join()

    def _pass_on(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                before, end, after = data.partition(END)
                sink.sendall(before)
                if end:
                    self.held += 1
                    time.sleep(DELAY)
                    sink.sendall(end + after)
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def slow_line(app):
    line = SlowLine(app.url)
    yield line
    line.close()


def test_a_step_that_follows_another_is_answered_on_a_slow_line(browser, slow_line):
    visit = Visit(browser, slow_line, path="?tab=patch-similarity&example=faces")
    told = visit.page.locator(".cxm-told")
    expect(told).to_contain_text("wins", timeout=SLOW)

    visit.page.locator("#cx-match-examples button").nth(3).click()
    expect(visit.page.locator("#cx-match-lesson")).to_contain_text("moved by 16 pixels")
    expect(told).to_contain_text("wins", timeout=SLOW)
    assert slow_line.held > 0
    visit.check_clean()
    visit.page.context.close()
