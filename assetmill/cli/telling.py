"""What a person sees of a command that may take minutes before its first line: how far it is."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from assetmill.cli import json_log
from assetmill.cli.verbose import is_quiet
from assetmill.errors import StoreError
from assetmill.names import counted
from assetmill.progress import unwatched
from assetmill.store import layout
from assetmill.store.backend import Backend

EVERY_S = 0.5
_SETTLED_S = 2.0
"""Before that nobody can say how long the rest takes."""
_COUNTS_S = 0.25
_CLEAR = "\r\x1b[K"

Reads = Callable[[str], bool]
Line = Callable[[threading.Event], str]


@contextmanager
def told_progress(
    backend: Backend,
    *,
    reads: Reads | None = None,
    done: Callable[[], int] | None = None,
    every_s: float = EVERY_S,
) -> Generator[Callable[[], None]]:
    """Say on a terminal how often the store was asked, in one line that goes away at the end.

    With `reads`, the keys that are asked for one by one, the line also says of about how many objects so many
    are done, and how long the rest may take; without `done` each request is one. What it yields clears the
    line, for who has something to print meanwhile.
    """
    walk = _Walk(backend, reads, done)
    with _told(walk.line, every_s) as clear:
        yield clear


@contextmanager
def told_count(
    verb: str, unit: str, total: int, *, every_s: float = EVERY_S
) -> Generator[Callable[[], None]]:
    """Say on a terminal how many of a known number are done.

    What it yields is called after each, in any thread.
    """
    count = _Count(verb, unit, total)
    with _told(count.line, every_s):
        yield count.step


def reads_all(key: str) -> bool:
    """Whether a command that reads everything asks for a key: for all of them."""
    return True


def reads_records(key: str) -> bool:
    """Whether a command that reads the records alone asks for a key."""
    return not key.startswith(layout.BLOBS)


def clock(seconds: float) -> str:
    """Return a duration as `0:02:10`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class _Count:
    """So many of so many."""

    def __init__(self, verb: str, unit: str, total: int) -> None:
        self._verb, self._unit, self._total = verb, unit, total
        # Whole threads of files end at once, and a plain `+=` may lose one of them.
        self._lock = threading.Lock()
        self._done, self._time = 0, _TimeLeft()

    def step(self) -> None:
        """Count one more."""
        with self._lock:
            self._done += 1

    def line(self, _: threading.Event) -> str:
        """Return how far it is."""
        what = counted(self._total, self._unit)
        return f"{self._verb}: {self._done:,} of {what}{self._time.left(self._done, self._total)}"


class _Walk:
    """A store that is read from one end to the other; how much there is in it is counted beside the work."""

    def __init__(self, backend: Backend, reads: Reads | None, done: Callable[[], int] | None) -> None:
        self._backend, self._done = backend, done
        self._before, self._total, self._time = backend.requests, 0, _TimeLeft()
        self._counted = 0
        self._counting = _counts_of(backend, reads) if reads else iter(())

    def line(self, is_over: threading.Event) -> str:
        """Return how far it is."""
        self._count_on(is_over)
        requests = self._backend.requests - self._before
        done = self._done() if self._done else requests
        of = f"{done:,} of about {self._total:,} objects, " if 0 < self._total >= done else ""
        left = self._time.left(done, self._total)
        return f"reading {self._backend.name}: {of}{requests:,} requests{left}"

    def _count_on(self, is_over: threading.Event) -> None:
        """Go on counting for a moment: in a large store that takes minutes, and a line is wanted at once."""
        until = time.monotonic() + _COUNTS_S
        try:
            for count in self._counting:
                self._counted = count
                if is_over.is_set() or time.monotonic() > until:
                    return
        except StoreError:
            self._counted = 0  # the command meets it too, and says it
        self._total = self._counted


class _TimeLeft:
    """How long the rest takes, if it goes on as it went."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def left(self, done: int, total: int) -> str:
        """Return the time left as the end of a line; nothing where it cannot be told."""
        seconds = time.monotonic() - self._began_at
        if seconds < _SETTLED_S or not 0 < done < total:
            return ""
        return f", about {clock(seconds / done * (total - done))} left"


def _counts_of(backend: Backend, reads: Reads) -> Iterator[int]:
    """Yield how many objects will be read, as far as they are counted, and at last all."""
    count = 0
    for entry in backend.list(layout.ROOT):
        count += reads(entry.key)
        yield count


@contextmanager
def _told(line: Line, every_s: float) -> Generator[Callable[[], None]]:
    if not sys.stderr.isatty() or is_quiet() or json_log.is_json():
        yield unwatched
        return
    is_over = threading.Event()
    teller = threading.Thread(target=_tell, args=(line, is_over, every_s), daemon=True)
    teller.start()
    try:
        yield _clear
    finally:
        is_over.set()
        teller.join()
        _clear()


def _tell(line: Line, is_over: threading.Event, every_s: float) -> None:
    while not is_over.wait(every_s):
        sys.stderr.write(f"{_CLEAR}{line(is_over)}")
        sys.stderr.flush()


def _clear() -> None:
    sys.stderr.write(_CLEAR)
    sys.stderr.flush()
