"""Many threads of a batch do not each keep what they have freed."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

THREADS = """
import ctypes, os, threading
from assetmill.batches.urgent import UrgentPool

width = 4 * (os.cpu_count() or 1)
pool, all_there = UrgentPool[int](width, "stage"), threading.Barrier(width)

def work():
    # All at once, so that each of them is a thread of its own; of a size that Python leaves to the C library.
    all_there.wait()
    return len(bytes(100_000))

done = [pool.submit(0, work) for _ in range(width)]
assert [one.result() for one in done] == [100_000] * width
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
told = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, told)
libc.fflush(told)
pool.close()
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not GNU's")
def test_threads_of_a_batch_share_a_heap_for_each_core() -> None:
    told = subprocess.run([sys.executable, "-c", THREADS], check=True, capture_output=True, text=True).stdout
    assert 1 <= told.count("<heap nr=") <= (os.cpu_count() or 1)
