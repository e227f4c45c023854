"""Which files a visitor may name: those that Gradio stored, and no others.

A file that was uploaded, or that a result was written to, lies at `FOLDER/HASH/NAME` in Gradio's
folder. The hash is that of its content, so its address is known only to those who have the file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

REFUSED = (
    "This file is not on the server, or no longer: uploads are kept for an hour. Send it again."
)
_HASH = re.compile(r"[0-9a-f]{40,64}")


class RefusedFileError(ValueError):
    """A file that is not opened for a visitor.

    All of them read the same, so that nobody learns from the answer which files there are.
    """

    def __init__(self) -> None:
        super().__init__(REFUSED)


def stored_file(path: object) -> Path:
    """A file that Gradio stored, from the path by which a visitor named it.

    Raises:
        RefusedFileError: It is anything else: outside of Gradio's folder, a link, a folder, an
            address on the web, somebody else's, or gone.
    """
    if not isinstance(path, str):
        raise RefusedFileError
    try:
        folder, name = _split(path)
        root = Path(get_upload_folder()).resolve()
        _check(os.lstat(root / folder), stat.S_ISDIR)
        _check(os.lstat(root / folder / name), stat.S_ISREG)
    except (OSError, ValueError) as error:
        raise RefusedFileError from error
    return root / folder / name


def check_files(value: Any) -> None:
    """Raises unless every file that is named anywhere in a value is one that Gradio stored.

    Args:
        value: What came for one input: JSON.

    Raises:
        RefusedFileError: Some file is not.
    """
    try:
        for path, url in _named_files(value):
            if path is not None:
                stored_file(path)
            elif url is not None and not (isinstance(url, str) and url.startswith("data:")):
                raise RefusedFileError
    except RecursionError as error:
        raise RefusedFileError from error


def _split(path: str) -> tuple[str, str]:
    """Hash and name of a path that is written as Gradio writes it."""
    for root in {get_upload_folder(), str(Path(get_upload_folder()).resolve())}:
        folder, _, name = path.removeprefix(root + os.sep).partition(os.sep)
        within = path.startswith(root + os.sep) and _HASH.fullmatch(folder)
        if within and name not in {"", ".", ".."} and os.sep not in name:
            return folder, name
    raise RefusedFileError


def _check(found: os.stat_result, is_kind: Any) -> None:
    """Raises unless this is no link but the kind that is expected, and our own."""
    ours = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    if not (is_kind(found.st_mode) and ours):
        raise RefusedFileError


def _named_files(value: Any) -> Iterator[tuple[Any, Any]]:
    """Path and address of everything in a value that looks like a file."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from _named_files(each)
    elif isinstance(value, dict):
        if "path" in value or "url" in value:
            yield value.get("path"), value.get("url")
        for each in value.values():
            yield from _named_files(each)
