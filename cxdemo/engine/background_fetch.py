"""A checkpoint that comes from the Hub while the app is already in use."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxdemo.checkpoints import CheckpointError, fetch_checkpoint

WAITS = (2.0, 15.0, 60.0)  # seconds before each attempt; the first lets the page come first
AGAIN = 30.0  # seconds after a failure within which nobody's wish starts another attempt

_LOGGER = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class BackgroundFetch:
    """Pulls a checkpoint in a thread of its own, and knows how far it is.

    Args:
        name: Of the checkpoint.
        fetch: As `cxdemo.checkpoints.fetch_checkpoint`. What has arrived is kept, so that an
            attempt goes on where the last one ended.
        waits: Seconds before each attempt.
        again: Seconds after a failure before `start` starts again.
        done: Bytes that have arrived.
        total: Bytes in all; 0 before the Hub has answered.
        error: Why the last attempt failed.
    """

    name: str
    fetch: Callable[..., Path] = fetch_checkpoint
    waits: Sequence[float] = WAITS
    again: float = AGAIN
    done: int = 0
    total: int = 0
    error: CheckpointError | None = None
    _thread: threading.Thread | None = None
    _failed_at: float = field(default=float("-inf"))
    _lock: Any = field(default_factory=threading.Lock)

    @property
    def running(self) -> bool:
        """Whether it is on its way, or waits for the next attempt."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start, unless it is running, has just failed, or the Hub may not be asked."""
        with self._lock:
            if self.running or is_offline() or time.monotonic() - self._failed_at < self.again:
                return
            self._thread = threading.Thread(target=self._run, name="cxdemo-vgg19", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        for wait in self.waits:
            time.sleep(wait)
            try:
                self.fetch(self.name, progress=self._report)
            except CheckpointError as error:
                self.error = error
                self._failed_at = time.monotonic()
                _LOGGER.warning("%s", error)
            except Exception:
                _LOGGER.exception("%s was not fetched.", self.name)
                return
            else:
                self.error = None
                return

    def _report(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def notice(self, stand_in: str) -> str | None:
        """What a visitor should know who asked for it and got a stand-in; None: nothing new."""
        if self.running:
            on_its_way = f"{self.name} is on its way from the Hugging Face Hub{self._how_far()}"
            return f"{on_its_way}; {stand_in} is used until it is here."
        if self.error:
            return f"{self.error.reason}; {stand_in} is used instead; {self.error.remedy}."
        return None

    def _how_far(self) -> str:
        return f" ({self.done / 1e6:.0f} of {self.total / 1e6:.0f} MB)" if self.total else ""


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids to ask the Hub."""
    from huggingface_hub import is_offline_mode

    return is_offline_mode()
