"""The files of a run: written once at its end, whoever asks first, and deleted with the run."""

from __future__ import annotations

import shutil
import threading
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cxdemo.runs.private_folder import new_run_folder

Files = TypeVar("Files")
_ENDED = "ended"


@dataclass
class _Kept:
    """What is known of a run's files."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    folder: Path | None = None
    files: dict[Hashable, Any] = field(default_factory=dict)


_kept: weakref.WeakKeyDictionary[Any, _Kept] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def files_of(run: Any, write: Callable[[Path], Files], *, of: Hashable = None) -> Files:
    """The files of a run, as `write` made them in its folder.

    Stop and the thread of the run both come here at the end: the first writes, the other waits and
    gets the same. While the run goes on, and when its files were deleted, they are written anew.

    Args:
        run: Knows whether it is `stopped` or `finished`.
        write: Takes a folder and writes into it.
        of: Tells apart different files of the same run.
    """
    kept = _find(run)
    with kept.lock:
        folder = _folder(run, kept)
        if of in kept.files:
            return kept.files[of]
        made = write(folder)
        if run.stopped or run.finished:
            kept.files[of] = made
        return made


def folder_of(run: Any) -> Path:
    """The folder of a run, deleted with it."""
    kept = _find(run)
    with kept.lock:
        return _folder(run, kept)


def _find(run: Any) -> _Kept:
    with _lock:
        return _kept.setdefault(run, _Kept())


def _folder(run: Any, kept: _Kept) -> Path:
    if kept.folder is None or not kept.folder.is_dir():
        kept.folder, kept.files = new_run_folder(), {}
        weakref.finalize(run, shutil.rmtree, kept.folder, ignore_errors=True)
    return kept.folder
