"""Where results go: decided in one place for all commands, before any work.

An input is never overwritten, whatever name leads to it; what exists is replaced only with
`--overwrite`; the ending says what is written; a file appears whole or not at all.
"""

from __future__ import annotations

import argparse
import errno
import os
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SEPARATORS = tuple({os.sep, os.altsep or os.sep})
FIGURES = (".png", ".svg", ".pdf")
PREFIX = ".cxdemo-"  # of a file that is not whole yet
REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EROFS: "the disk can only be read",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.ENAMETOOLONG: "the name is too long",
}

Save = Callable[[Path], object]
"""Writes a file at a path, in the format of its ending."""


class OutputError(ValueError):
    """A result cannot go where it was asked to; the text says why and what to do."""


class ExistsError(OutputError):
    """Something is there already."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """A place for a file, checked before the work.

    Attributes:
        path: As people know it.
        overwrite: Whether what is there may be replaced.
    """

    path: Path
    overwrite: bool = False

    def write(self, save: Save) -> Path:
        """Writes the file whole or not at all, and returns its path.

        The path is another one, with a number, if somebody took this one in the meantime.

        Raises:
            OutputError: It could not be written; nothing was changed.
        """
        target = _real(self.path)
        temporary = target.with_name(f"{PREFIX}{secrets.token_hex(6)}{self.path.suffix.lower()}")
        try:
            target.parent.mkdir(exist_ok=True)
            save(temporary)
            _flush(temporary)
            return self._place(temporary, target)
        except OSError as error:
            raise OutputError(
                f"{self.path} could not be written: {tell_reason(error)}. Nothing was changed."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _place(self, temporary: Path, target: Path) -> Path:
        if self.overwrite:
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
            return self.path
        number = 1
        while not _move_to_free(temporary, target):
            number += 1
            target = _numbered(_real(self.path), number)
        return self.path if number == 1 else _numbered(self.path, number)


def add_output(
    parser: argparse.ArgumentParser, endings: Iterable[str], *, more: str = "file to write"
) -> None:
    """The flags -o and --overwrite.

    Args:
        parser: Of the command.
        endings: That the file may have.
        more: What it is.
    """
    shown = ", ".join(dict.fromkeys(endings))
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE",
        help=f"{more} ({shown}), or a folder for it",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true", help="replace results that exist; never an input"
    )


def choose_output(
    given: str,
    *,
    endings: Collection[str],
    usual: str,
    inputs: Iterable[str | Path] = (),
    overwrite: bool = False,
) -> Output:
    """The file that an output's name means, after all checks that can be made before the work.

    Args:
        given: What was asked for; a folder, or a name that ends with a slash, is a folder for the
            file. Such a folder may be missing, but not the one that it lies in.
        endings: That the file may have, such as ".png".
        usual: Name of the file in a folder.
        inputs: Files that are read, and folders whose files are.
        overwrite: Whether what is there may be replaced.

    Raises:
        OutputError: The ending is none of these, the file is an input, or nothing can be written
            there.
        ExistsError: Something is there and may not be replaced.
    """
    if not given:
        raise OutputError("The name of the output is empty: say where the result goes.")
    is_folder = given.endswith(SEPARATORS) or _is_dir(Path(given))
    path = Path(given) / usual if is_folder else Path(given)
    _check_ending(path, endings)
    if is_folder:
        check_folder(Path(given))
    else:
        _check_parent(path)
    _check_place(path, identities(inputs), overwrite=overwrite)
    _probe(_real(path))
    return Output(path=path, overwrite=overwrite)


def check_folder(folder: Path) -> None:
    """Raises unless a folder is there and can be written to, or can be made.

    Raises:
        OutputError: Neither is so.
    """
    if os.path.lexists(folder) and not _is_dir(folder):
        raise OutputError(f"{folder} is a file, but a folder was expected: name another.")
    _check_parent(folder)
    _probe(folder / "probe")


def name_results(
    sources: Sequence[Path], *, ending: str, mark: str = "", taken: Iterable[str] = ()
) -> Mapping[Path, str]:
    """A name for the result of each source, no two alike even where case does not count.

    `a.jpg` becomes `a.png`; where several sources would share a name, each keeps its own ending
    before the new one, `a.jpg.png`; where that is taken too, a number follows.

    Args:
        sources: Files of one folder.
        ending: Of the results.
        mark: What follows the name, such as "-x4".
        taken: Names that no result may have.
    """
    used = {_folded(name) for name in taken}
    stems = [_folded(path.stem) for path in sources]
    named: dict[Path, str] = {}
    for path, stem in zip(sources, stems, strict=True):
        base = f"{path.stem if stems.count(stem) == 1 else path.name}{mark}"
        name, number = f"{base}{ending}", 1
        while _folded(name) in used:
            number += 1
            name = f"{base}-{number}{ending}"
        used.add(_folded(name))
        named[path] = name
    return named


def place_in(
    folder: Path, name: str, *, inputs: frozenset[tuple[int, int]], overwrite: bool
) -> Output:
    """A file of this name in a folder that `check_folder` has passed.

    Raises:
        ExistsError: Something is there and may not be replaced.
        OutputError: It is an input.
    """
    path = folder / name
    _check_place(path, inputs, overwrite=overwrite)
    return Output(path=path, overwrite=overwrite)


def identities(inputs: Iterable[str | Path]) -> frozenset[tuple[int, int]]:
    """Device and number of the files that are read: the same for every name that leads to them."""
    files = (member for path in map(Path, inputs) for member in _members(path))
    return frozenset(found for file in files if (found := _identity(file)) is not None)


def tell_reason(error: OSError) -> str:
    """Why the system refused, in words and without its paths."""
    code = error.errno or 0
    return REASONS.get(code) or error.strerror or (os.strerror(code) if code else "unknown cause")


def _members(path: Path) -> Iterable[Path]:
    try:
        return list(path.iterdir()) if _is_dir(path) else [path]
    except OSError:
        return []  # who reads it will say so


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, for instance
        return False


def _folded(name: str) -> str:
    """What a disk that ignores case and the spelling of accents makes of a name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _real(path: Path) -> Path:
    """Where a path leads, through links."""
    return Path(os.path.realpath(path))


def _check_ending(path: Path, endings: Collection[str]) -> None:
    if path.suffix.lower() not in endings:
        shown = ", ".join(dict.fromkeys(endings))
        raise OutputError(f"{path.name}: choose one of the endings {shown}.")


def _check_parent(path: Path) -> None:
    parent = path.absolute().parent
    if not _is_dir(parent):
        what = "is a file" if os.path.lexists(parent) else "does not exist. Create it first"
        raise OutputError(f"The folder of {path} {what}.")


def _check_place(path: Path, inputs: frozenset[tuple[int, int]], *, overwrite: bool) -> None:
    if _identity(path) in inputs:
        raise OutputError(f"{path} is an input, and inputs are never overwritten: name another.")
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {tell_reason(error)}.") from error
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)) or _is_dir(path):
        raise OutputError(f"{path} is no file that could be replaced: name another.")
    if not overwrite:
        raise ExistsError(f"{path} exists already: add --overwrite to replace it, or name another.")


def _probe(target: Path) -> None:
    """Raises unless a file can be made beside the target."""
    folder = target.parent if target.parent.is_dir() else target.parent.parent
    probe = folder / f"{PREFIX}{secrets.token_hex(6)}"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        shown = folder.name or folder
        raise OutputError(f"Nothing can be written in {shown}: {tell_reason(error)}.") from error


def _flush(file: Path) -> None:
    """Waits until the file is on the disk."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def _move_to_free(temporary: Path, target: Path) -> bool:
    """Gives a file its name if nothing has it; a link, as a rename would replace what is there."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError:  # a disk without hard links
        if os.path.lexists(target):
            return False
        temporary.rename(target)
    return True


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")
