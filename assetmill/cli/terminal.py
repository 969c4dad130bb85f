"""What a run looks like while it runs: a live picture on a terminal, plain lines everywhere else.

All of it goes to stderr: stdout belongs to the result.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from assetmill.cli import json_log
from assetmill.cli.options import cost_text, usd
from assetmill.cli.verbose import is_quiet
from assetmill.names import counted
from assetmill.plan.plan import Plan
from assetmill.progress import LOGGER_NAME, EventHandler, StageEvent

if TYPE_CHECKING:
    from rich.console import RenderableType

MANY = 40
"""Above this many reused stages one line stands for all of them."""

_ENDS = {"finished": "done", "reused": "reused", "failed": "failed", "skipped": "skipped"}


class Screen(Protocol):
    """Where a run shows what it does."""

    def say(self, text: str) -> None:
        """Show one line about the run as a whole."""
        ...

    def plan(self, plan: Plan) -> None:
        """Show what will be done."""
        ...

    def event(self, event: StageEvent) -> None:
        """Show one step of a stage; called in any thread."""
        ...


def headline(plan: Plan) -> str:
    """Return one line about a plan: how much is to do, and what it may cost."""
    reused = sum(stage.status == "reuse" for stage in plan.stages)
    parts = [f"{plan.name}: {counted(len(plan.stages), 'stage')}"]
    if reused:
        parts.append(f"{reused} unchanged")
    waiting = sum(stage.status == "review" for stage in plan.stages)
    if waiting:
        parts.append(f"{waiting} to be approved")
    if to_do := sum(stage.is_to_do for stage in plan.stages):
        parts.append(f"{to_do} to run, about {cost_text(plan.cost)}")
    return ", ".join(parts)


class Plain:
    """One line per step, as text that a log keeps."""

    def __init__(self) -> None:
        # Stages tell from their own threads; lines must not mix.
        self._lock = threading.Lock()
        self._quiet = False

    def say(self, text: str) -> None:
        """Print a line."""
        with self._lock:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def plan(self, plan: Plan) -> None:
        """Print the headline; many reused stages are not listed after it."""
        self._quiet = sum(stage.status == "reuse" for stage in plan.stages) > MANY
        self.say(headline(plan))
        for warning in plan.warnings:
            self.say(f"warning: {warning}")

    def event(self, event: StageEvent) -> None:
        """Print a step, but for the ones that only a live picture can show."""
        if event.event in {"frame", "created"} or (event.event == "reused" and self._quiet):
            return
        self.say(f"  {line(event)}")


def line(event: StageEvent) -> str:
    """Return a step as one line: stage, state, seconds, cost, and what there is to say."""
    state = _ENDS.get(event.event, event.event)
    seconds = "" if event.seconds is None else f"{event.seconds:7.1f} s"
    cost = usd(event.cost_usd) if event.event in {"finished", "failed"} else ""
    return f"{event.label:<32} {state:<8} {seconds:>9} {cost:>9}  {event.message}".rstrip()


class Live:
    """Finished stages above, running ones below with their clocks."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive
        from rich.spinner import Spinner

        self._spinner = Spinner("dots")
        self._console = Console(stderr=True, highlight=False)
        self._running: dict[str, tuple[float, str]] = {}
        # Stages tell from their own threads while Rich draws in another.
        self._lock = threading.Lock()
        self._quiet, self._total, self._ended, self._waiting_for = False, 0, 0, ""
        # Last, because Rich asks for the picture at once.
        self._live = RichLive(console=self._console, get_renderable=self._picture, refresh_per_second=8)

    def __enter__(self) -> Live:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.clear()
        self._waiting_for = ""
        self._live.stop()

    def say(self, text: str) -> None:
        """Show what is being waited for."""
        self._waiting_for = text

    def plan(self, plan: Plan) -> None:
        """Print the headline and remember how many stages there are."""
        self._total = len(plan.stages)
        self._quiet = sum(stage.status == "reuse" for stage in plan.stages) > MANY
        self._console.print(headline(plan), style="bold", markup=False)
        for warning in plan.warnings:
            self._console.print(f"warning: {warning}", style="yellow", markup=False)

    def event(self, event: StageEvent) -> None:
        """Move a stage's line on."""
        self._waiting_for = ""
        with self._lock:
            if event.event in _ENDS:
                self._ended += 1
                self._running.pop(event.label, None)
            else:
                since = self._running.get(event.label, (time.monotonic(), ""))[0]
                self._running[event.label] = since, event.message
        if event.event in _ENDS and not (event.event == "reused" and self._quiet):
            mark, style = _MARKS[event.event]
            self._console.print(f"{mark} {line(event)}", style=style, markup=False)

    def _picture(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            running = list(self._running.items())
        table = Table.grid(padding=(0, 1))
        room = max(self._console.height - 4, 1)
        for label, (since, message) in running[:room]:
            seconds = f"{time.monotonic() - since:7.1f} s"
            text = Text(f"{label:<32} running {seconds}  {message}", no_wrap=True, overflow="ellipsis")
            table.add_row(self._spinner, text)
        if len(running) > room:
            table.add_row("", f"and {len(running) - room} more")
        if self._waiting_for:
            table.add_row(self._spinner, self._waiting_for)
        elif self._total:
            table.add_row("", Text(f"{self._ended} of {self._total} stages", style="dim"))
        return table


class Silent:
    """Nothing: somebody wants the result alone."""

    def say(self, text: str) -> None:
        """Show no line about the run."""

    def plan(self, plan: Plan) -> None:
        """Show no plan."""

    def event(self, event: StageEvent) -> None:
        """Show no step."""


class JsonLines:
    """One JSON object for each step, for machines."""

    def say(self, text: str) -> None:
        """Write a line about the run as a whole."""
        json_log.write(text)

    def plan(self, plan: Plan) -> None:
        """Write the headline and what the plan warns of."""
        json_log.write(headline(plan), stages=len(plan.stages))
        for warning in plan.warnings:
            json_log.write(warning, "warning")

    def event(self, event: StageEvent) -> None:
        """Write a step, but for the ones that only a live picture can show."""
        if event.event != "frame":
            json_log.write_event(event)


_MARKS = {
    "finished": ("✓", "green"),
    "reused": ("=", "dim"),
    "failed": ("✗", "red"),
    "skipped": ("-", "yellow"),
}


@contextmanager
def watched() -> Generator[Screen]:
    """Show the events of stages until the end: live on a terminal, as plain lines or as JSON otherwise."""
    if json_log.is_json():
        lines = JsonLines()
        with _listening(lines):
            yield lines
    elif is_quiet():
        yield Silent()
    elif sys.stderr.isatty():
        with Live() as live, _listening(live):
            yield live
    else:
        plain = Plain()
        with _listening(plain):
            yield plain


@contextmanager
def _listening(screen: Screen) -> Generator[None]:
    logger = logging.getLogger(LOGGER_NAME)
    level, handler = logger.level, EventHandler(screen.event)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
