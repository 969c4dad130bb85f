"""What a person sees of a command that reads a whole store, which may take minutes before its first line."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from assetmill.store.backend import Backend

EVERY_S = 0.5


_CLEAR = "\r\x1b[K"


@contextmanager
def told_progress(backend: Backend, *, every_s: float = EVERY_S) -> Generator[Callable[[], None]]:
    """Say on a terminal how often the store was asked, in one line that goes away at the end.

    What it yields clears that line, for who has something to print meanwhile.
    """
    if not sys.stderr.isatty():
        yield _nothing
        return
    is_over = threading.Event()
    teller = threading.Thread(target=_tell, args=(backend, is_over, every_s), daemon=True)
    teller.start()
    try:
        yield _clear
    finally:
        is_over.set()
        teller.join()
        _clear()


def _tell(backend: Backend, is_over: threading.Event, every_s: float) -> None:
    while not is_over.wait(every_s):
        sys.stderr.write(f"{_CLEAR}reading {backend.name}: {backend.requests:,} requests")
        sys.stderr.flush()


def _clear() -> None:
    sys.stderr.write(_CLEAR)
    sys.stderr.flush()


def _nothing() -> None: ...
