"""What a batch looks like while it runs: a bar with rate and time left, or a line now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from assetmill.batches.work import Tally
from assetmill.cli.options import usd

PLAIN_INTERVAL_S = 10.0
_LOOK_S = 0.25

Look = Callable[[], "Tally | None"]


@contextmanager
def bar(look: Look, total_stages: int, total_rows: int) -> Generator[None]:
    """Show how far a batch is until the end; `look` returns None while nothing has begun."""
    ended = threading.Event()
    show = _live if sys.stderr.isatty() else _plain
    thread = threading.Thread(target=show, args=(look, total_stages, total_rows, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def line(tally: Tally, total_stages: int, total_rows: int, seconds: float) -> str:
    """Return how far a batch is, as one line."""
    rate = tally.stages / seconds if seconds > 0 else 0.0
    left = (total_stages - tally.stages) / rate if rate > 0 else None
    parts = [
        f"{tally.rows} of {total_rows} rows",
        f"{tally.stages} of {total_stages} stages",
        f"{rate * 60:.0f} stages a minute",
    ]
    if left is not None:
        parts.append(f"{_minutes(left)} left")
    return ", ".join([*parts, f"spent {usd(tally.spent_usd)}"])


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _plain(look: Look, total_stages: int, total_rows: int, ended: threading.Event) -> None:
    started = time.monotonic()
    while not ended.wait(PLAIN_INTERVAL_S):
        if tally := look():
            text = line(tally, total_stages, total_rows, time.monotonic() - started)
            sys.stderr.write(f"  {text}\n")
            sys.stderr.flush()


def _live(look: Look, total_stages: int, total_rows: int, ended: threading.Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=total_stages)
        started: float | None = None
        while not ended.wait(_LOOK_S):
            tally = look()
            if tally is None:
                continue
            started = started or time.monotonic()
            rate = tally.stages / max(time.monotonic() - started, 0.001) * 60
            text = f"{tally.rows}/{total_rows} rows, {rate:.0f} stages/min, {usd(tally.spent_usd)}"
            progress.update(task, completed=tally.stages, description=text)
