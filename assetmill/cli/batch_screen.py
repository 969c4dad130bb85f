"""What a batch looks like while it runs: a bar with rate and time left, or a line now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager

from assetmill.batches.work import Tally, spent, words
from assetmill.cli import json_log
from assetmill.cli.telling import clock
from assetmill.cli.verbose import is_quiet

PLAIN_INTERVAL_S = 10.0
_LOOK_S = 0.25
_PACE_S = 60.0
_SETTLED_S = 2.0
"""What is stored already ends in the first moments, which says nothing about the rest."""

Look = Callable[[], "Tally | None"]


@contextmanager
def bar(look: Look, total_stages: int, total_rows: int) -> Generator[None]:
    """Show how far a batch is until the end; `look` returns None while nothing has begun."""
    if is_quiet():
        yield
        return
    ended = threading.Event()
    is_json = json_log.is_json()
    show = _live if sys.stderr.isatty() and not is_json else _plain
    write = json_log.write if is_json else _write
    thread = threading.Thread(target=show, args=(look, total_stages, total_rows, ended, write), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Pace:
    """How many stages end in a second, over the last minute: what was fast an hour ago tells nothing."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._seen: deque[tuple[float, int]] = deque()

    def of(self, stages: int, now: float) -> float | None:
        """Return the rate, None while it is too early to say."""
        self._began = now if self._began is None else self._began
        if now - self._began < _SETTLED_S:
            return None
        self._seen.append((now, stages))
        while self._seen[0][0] < now - _PACE_S:
            self._seen.popleft()
        first, before = self._seen[0]
        return (stages - before) / (now - first) if now - first >= _SETTLED_S else None


def line(tally: Tally, total_stages: int, total_rows: int, rate: float | None) -> str:
    """Return how far a batch is, as one line; `rate` is stages in a second."""
    now = tally.now()
    parts = words(now, total_stages, total_rows)
    if tally.away():
        # A pace of before the outage would promise an end that nobody knows.
        return ", ".join([*parts, spent(now)])
    if rate is not None:
        parts.append(f"{rate * 60:.0f} stages a minute")
    if rate:
        parts.append(f"{clock(max(0, total_stages - now.stages) / rate)} left")
    return ", ".join([*parts, spent(now)])


def _plain(
    look: Look, total_stages: int, total_rows: int, ended: threading.Event, write: Callable[[str], object]
) -> None:
    pace, told_at, told = Pace(), time.monotonic(), 0
    while not ended.wait(_LOOK_S):
        if (tally := look()) is None:
            continue
        now = time.monotonic()
        rate = pace.of(tally.now().stages, now)
        for notice in tally.notices[told:]:
            told += 1
            write(f"  {notice}")
        if now - told_at >= PLAIN_INTERVAL_S:
            told_at = now
            write(f"  {line(tally, total_stages, total_rows, rate)}")


def _write(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _live(
    look: Look, total_stages: int, total_rows: int, ended: threading.Event, _: Callable[[str], object]
) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    # Wrapped where the terminal is narrow: what is cut off would be the money.
    words_column = TextColumn("{task.description}", table_column=Column(ratio=1))
    columns = (BarColumn(bar_width=12), TimeElapsedColumn(), words_column)
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, transient=True, expand=True) as progress:
        task = progress.add_task("starting", total=total_stages)
        pace, told = Pace(), 0
        while not ended.wait(_LOOK_S):
            if (tally := look()) is None:
                continue
            for notice in tally.notices[told:]:
                told += 1
                progress.console.print(escape(f"  {notice}"))
            stages = tally.now().stages
            rate = pace.of(stages, time.monotonic())
            text = line(tally, total_stages, total_rows, rate)
            progress.update(task, completed=stages, description=escape(text))
