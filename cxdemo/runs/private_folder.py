"""The one folder for everything temporary: nobody else can read it, and nothing in it lasts.

    {GRADIO_TEMP_DIR or the system's}/cxdemo-{user}/{process}/gradio   uploads, and what pages show
                                                             /runs     results before they are shown

A lock tells the folder of a living process from that of a dead one, which the next start removes.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from cxdemo.engine.memory import give_back

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed: that is the lock
    fcntl = None

LIFE = 3600  # seconds that a file lives, at most
SWEEP = 300  # seconds between two sweeps
LOCK = "lock"

_held: list[int] = []  # descriptors of locks, until this process ends


@cache
def private_folder() -> Path:
    """This process's own folder, made when first asked for and removed when the process ends."""
    parent = _open_parent(Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()))
    with _locked(parent / LOCK):  # so that nobody takes a folder for dead before it is locked
        clear_dead(parent)
        folder = Path(tempfile.mkdtemp(dir=parent))
        _held.append(_open_lock(folder / LOCK))
        _try_lock(_held[-1])
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def runs_folder() -> Path:
    """Where results are written."""
    runs = private_folder() / "runs"
    runs.mkdir(exist_ok=True)
    return runs


def new_run_folder() -> Path:
    """An empty folder for one result."""
    return Path(tempfile.mkdtemp(dir=runs_folder()))


def keep_gradio_here() -> Path:
    """Makes Gradio put uploads and results into this process's folder; before the page is built."""
    folder = private_folder() / "gradio"
    folder.mkdir(exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def clear_dead(parent: Path) -> None:
    """Removes the folders whose processes have ended."""
    for folder in parent.iterdir():
        if folder.is_dir() and not folder.is_symlink() and not _is_alive(folder):
            shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path, *, age: float, keep: Iterable[str | Path] = ()) -> None:
    """Removes files that are older than an age, and the folders that this leaves empty.

    Args:
        folder: Everything below it, itself not.
        age: Seconds since a file was written.
        keep: Files that stay, whatever their age.
    """
    kept, oldest = {str(path) for path in keep}, time.time() - age
    for root, folders, files in os.walk(folder, topdown=False):
        for name in files:
            path = Path(root) / name
            with suppress(OSError):
                if str(path) not in kept and path.lstat().st_ctime < oldest:
                    path.unlink()
        for name in folders:
            path = Path(root) / name
            with suppress(OSError):
                if path.lstat().st_ctime < oldest:
                    path.rmdir()  # fails unless it is empty


def sweep_for_ever(keep: Callable[[], Iterable[str | Path]]) -> threading.Thread:
    """Sweeps this process's folder in the background, so that no file outlives `LIFE`.

    Memory that was freed is swept, too.

    Args:
        keep: The files that stay.
    """

    def run() -> None:
        while True:
            time.sleep(SWEEP)
            for name in ("gradio", "runs"):
                sweep(private_folder() / name, age=LIFE - SWEEP, keep=keep())
            give_back()

    thread = threading.Thread(target=run, name="sweep", daemon=True)
    thread.start()
    return thread


def _open_parent(base: Path) -> Path:
    """The folder of this user's processes, which nobody else can have prepared."""
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    parent = base / f"cxdemo-{user}"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = parent.lstat()
    if parent.is_symlink() or (hasattr(os, "geteuid") and found.st_uid != os.geteuid()):
        return Path(tempfile.mkdtemp(prefix="cxdemo-", dir=base))
    parent.chmod(0o700)
    return parent


def _is_alive(folder: Path) -> bool:
    """Whether the process of a folder still holds its lock."""
    lock = folder / LOCK
    if fcntl is None:
        try:
            lock.unlink(missing_ok=True)
        except OSError:
            return True
        return False
    descriptor = _open_lock(lock)
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(descriptor: int) -> bool:
    """Takes a lock, unless another process has it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits for a lock, and holds it for a block."""
    descriptor = _open_lock(path)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
