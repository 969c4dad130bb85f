"""Threads that take up the most urgent work first, not what was given to them first."""

from __future__ import annotations

import heapq
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_M_ARENA_MAX = -8


def _share_heaps() -> None:
    """Let the threads of this process share a heap of the C library for each core.

    It would give every thread its own, up to eight for each core, and each keeps what has passed through it.
    Other C libraries than GNU's have no such setting, and need none.
    """
    import ctypes  # commands that only look at a batch have no use for it

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, os.cpu_count() or 1)


class UrgentPool(Generic[T]):
    """A pool of threads; work of a lower `rank` is begun first, work of one rank in its order."""

    def __init__(self, width: int, name: str) -> None:
        _share_heaps()
        self._pool = ThreadPoolExecutor(width, name)
        self._waiting: list[tuple[int, int, Future[T], Callable[..., T], tuple[Any, ...]]] = []
        self._numbers = itertools.count()
        # Work is given and taken in many threads.
        self._lock = threading.Lock()

    def submit(self, rank: int, function: Callable[..., T], *given: Any) -> Future[T]:
        """Give work to the pool; each place in the executor's own queue stands for whatever is next then."""
        future: Future[T] = Future()
        with self._lock:
            heapq.heappush(self._waiting, (rank, next(self._numbers), future, function, given))
        self._pool.submit(self._take)
        return future

    def close(self) -> None:
        """End the threads: what runs is waited for, what waits is cancelled."""
        self._pool.shutdown(cancel_futures=True)
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for _, _, future, _, _ in waiting:
            future.cancel()

    def _take(self) -> None:
        with self._lock:
            _, _, future, function, given = heapq.heappop(self._waiting)
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(function(*given))
        except BaseException as error:  # as an executor does: whoever asked is told, of an exit too
            future.set_exception(error)
