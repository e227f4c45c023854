"""What a process keeps of the memory that it freed, in processes of their own."""

import subprocess
import sys

import pytest

from cxdemo.engine import memory

pytestmark = pytest.mark.skipif(
    getattr(memory._libc(), "malloc_trim", None) is None, reason="not glibc"
)

BEGIN = """
import ctypes, os, re, threading
from cxdemo.engine import memory
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def take(size, count):
    taken = [libc.malloc(size) for _ in range(count)]
    for place in taken:
        ctypes.memset(place, 1, size)
    return taken
"""
FREED = """
def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6

*most, last = take(60_000, 2_000)  # the last one keeps the heap from shrinking by itself
for place in most:
    libc.free(place)
before = megabytes()
memory.give_back()
print(before - megabytes())
"""
HEAPS = """
memory.limit_heaps(3)
ready, end = threading.Barrier(21), threading.Event()

def hold():
    take(1000, 10)
    ready.wait()
    end.wait()

threads = [threading.Thread(target=hold) for _ in range(20)]
for thread in threads:
    thread.start()
ready.wait()
file = libc.fopen(b"heaps.xml", b"w")
libc.malloc_info(0, ctypes.c_void_p(file))
libc.fclose(ctypes.c_void_p(file))
end.set()
print(open("heaps.xml").read().count("<heap nr="))
"""


def run(script, folder):
    said = subprocess.run(
        [sys.executable, "-c", BEGIN + script], cwd=folder, capture_output=True, text=True,
        check=True, timeout=60, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    return float(said.stdout)


def test_what_was_freed_goes_back(tmp_path):
    assert run(FREED, tmp_path) > 100


def test_threads_share_a_few_heaps(tmp_path):
    assert run(HEAPS, tmp_path) <= 3
