"""Memory that was freed goes back to the system, which glibc by itself puts off."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any

ARENAS = 4  # heaps that all threads share; glibc has eight a core, and none of them ever shrinks
_M_ARENA_MAX = -8  # of malloc.h


def limit_heaps(count: int = ARENAS) -> None:
    """Limits the heaps of this process; before threads begin. Elsewhere than in glibc: nothing.

    Args:
        count: How many there may be. The environment's MALLOC_ARENA_MAX overrules it.
    """
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, count)


def give_back() -> None:
    """Returns the pages that nobody uses. Elsewhere than in glibc: nothing.

    Cost:
        Some milliseconds for each 100 MB, in which no other thread is kept from running Python.
    """
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)


@cache
def _libc() -> Any:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
