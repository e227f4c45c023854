"""What each stored result was made of, and which ones are older than that.

`made.json` has three keys for each result: of its settings and pictures, of its weights, and of
the code that computes it. Comments, docstrings, imports and blank lines do not count as code. A
result whose keys differ from today's is stale; one that was made before keys were written down has
none, and is stale as well, because nobody knows.
"""

from __future__ import annotations

import ast
import hashlib
import json
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import cxdemo
from cxdemo.checkpoints import find_checkpoint
from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES

RECORD = PICTURES / "made.json"
PACKAGE = Path(cxdemo.__file__).parent
PLUMBING = frozenset(
    f"cxdemo.{name}" for name in ("checkpoints", "engine", "examples", "options", "spelling")
)
"""Code that every result passes through and that changes none."""

Record = dict[str, dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A result that is shipped, and how it is made.

    Args:
        name: `kind/name`.
        files: What it consists of.
        made_of: The pictures and films that go in.
        settings: All else that goes in, for JSON.
        code: Modules of the package that compute it; what they import counts too.
        weights: Names of the checkpoints that it needs.
        make: Computes it and writes its files.
    """

    name: str
    files: tuple[Path, ...]
    made_of: tuple[Path, ...]
    settings: Mapping[str, Any]
    code: tuple[str, ...]
    make: Callable[[Context], object]
    weights: tuple[str, ...] = ("vgg16",)

    def keys(self) -> dict[str, str]:
        """What it is made of today."""
        given = [json.dumps(self.settings, sort_keys=True).encode()]
        return {
            "settings": _digest(*given, *(path.read_bytes() for path in self.made_of)),
            "weights": _digest(*(find_checkpoint(n).fingerprint.encode() for n in self.weights)),
            "code": code_key(*self.code),
        }

    def find_fault(self, record: Record) -> str:
        """Why it must be made again, as the end of a sentence; "": it need not be."""
        missing = [path.name for path in self.files if not path.is_file()]
        if missing:
            return f"has no {missing[0]}"
        known, today = record.get(self.name, {}), self.keys()
        differs = [name for name in today if name in known and known[name] != today[name]]
        if differs:
            return f"is older than its {' and its '.join(differs)}"
        unknown = [name for name in today if name not in known]
        return f"does not say which {' and '.join(unknown)} made it" if unknown else ""

    def remake(self, ctx: Context, *, file: Path = RECORD) -> None:
        """Makes it, and writes down of what."""
        keys = self.keys()
        self.make(ctx)
        record = load_record(file) | {self.name: {**keys, "made": str(date.today())}}
        text = json.dumps(dict(sorted(record.items())), indent=1)
        file.write_text(text + "\n", encoding="utf-8")


def load_record(file: Path = RECORD) -> Record:
    """The keys of all results by name; none where there is no record."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


@cache
def code_key(*modules: str) -> str:
    """Changes with the code of some modules of the package and of all that they import."""
    return _digest(*(_essence(path).encode() for path in _sources(modules)))


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def _sources(modules: tuple[str, ...]) -> list[Path]:
    """Files of the modules and of what they import, in the order of their names."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None or name in found or any(is_in(name, each) for each in PLUMBING):
            continue
        found[name] = path
        waiting += _imports(path)
    return [found[name] for name in sorted(found)]


def is_in(name: str, package: str) -> bool:
    """Whether a module is a package or one of its modules."""
    return name == package or name.startswith(f"{package}.")


def _file_of(module: str) -> Path | None:
    place = PACKAGE.joinpath(*module.split(".")[1:])
    return next((p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()), None)


def _imports(path: Path) -> Iterator[str]:
    """Names of the package's modules that a file imports, and some that are no modules."""
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.ImportFrom) and node.module and is_in(node.module, "cxdemo"):
            yield from (node.module, *(f"{node.module}.{each.name}" for each in node.names))


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _essence(path: Path) -> str:
    """What a file does, without comments, docstrings, imports and blank lines.

    Made of text: the syntax trees of one file differ between versions of Python.
    """
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for kind, _, (row, column), *_ in tokenize.generate_tokens(iter(lines).__next__):
        if kind == tokenize.COMMENT:
            lines[row - 1] = lines[row - 1][:column]
    for node in filter(_is_talk, ast.walk(_parse(path))):
        first, last = node.lineno - 1, node.end_lineno  # pyright: ignore[reportAttributeAccessIssue]
        lines[first:last] = [""] * (last - first)
    kept = (line.rstrip() for line in lines)
    return "\n".join(line for line in kept if line)


def _is_talk(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.Import | ast.ImportFrom)
