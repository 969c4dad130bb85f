"""What a running stage tells whoever watches: log records with fields, and nothing to import but logging.

The engine emits, the CLI listens; neither knows the other. A record's message reads well on its own, so a
plain log file tells the same story as the terminal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

LOGGER_NAME = "assetmill.stage"

StageEventKind = Literal["started", "waiting", "created", "frame", "finished", "reused", "failed", "skipped"]
"""`created`: the response ID is stored. `waiting`: for a quota, a lease or doubt, as `message` says."""

WaitFor = Literal["quota", "retry", "budget", "outcome", "owner"]
"""A quota's share, the time after a refusal, room under a ceiling, an open outcome, another process."""

_FIELD = "stage_event"
_log = logging.getLogger(LOGGER_NAME)


@dataclass(frozen=True)
class StageEvent:
    """One step in the life of a stage. `cost_usd` is None while unknown; `message` is one short line.

    Never holds prompts, bytes, tokens or signed URLs: it goes to logs.
    """

    event: StageEventKind
    label: str
    run_id: str
    seconds: float | None = None
    cost_usd: float | None = None
    response_id: str | None = None
    message: str = ""
    wait: WaitFor | None = None
    """Of `waiting`: what for; None where something is only said."""

    def __str__(self) -> str:
        parts = [f"{self.label}: {self.event}"]
        if self.seconds is not None:
            parts.append(f"{self.seconds:.1f} s")
        if self.cost_usd is not None:
            parts.append(f"${self.cost_usd:.4f}")
        if self.response_id:
            parts.append(self.response_id)
        if self.message:
            parts.append(self.message)
        return ", ".join(parts)


OnEvent = Callable[[StageEvent], None]


def unwatched() -> None:
    """Do nothing for each file that is done: nobody looks."""


_part: ContextVar[tuple[str, str] | None] = ContextVar("part", default=None)


@contextmanager
def part_of(label: str, part: str) -> Generator[None]:
    """Tell what happens inside as steps of the stage `label`: its own end is not the stage's end."""
    token = _part.set((label, part))
    try:
        yield
    finally:
        _part.reset(token)


def _as_part(event: StageEvent, label: str, part: str) -> StageEvent:
    is_end = event.event in {"finished", "reused", "failed", "skipped"}
    words = [part, event.event if is_end else "", event.message]
    kind: StageEventKind = "waiting" if is_end else event.event
    return replace(event, event=kind, label=label, message=", ".join(filter(None, words)))


def emit(event: StageEvent) -> None:
    """Log an event at INFO (frames at DEBUG), with the event itself and its main fields on the record."""
    if part := _part.get():
        event = _as_part(event, *part)
    level = logging.DEBUG if event.event == "frame" else logging.INFO
    fields = {_FIELD: event, "event": event.event, "label": event.label, "run_id": event.run_id}
    _log.log(level, "%s", event, extra=fields)


@dataclass(frozen=True)
class ProgressReporter:
    """Reports the steps of one stage in one run."""

    label: str
    run_id: str

    def report(self, event: StageEventKind, **details: Any) -> None:
        """Emit a step; `details` are the other fields of a `StageEvent`."""
        emit(StageEvent(event, self.label, self.run_id, **details))

    def waiting(self, message: str, wait: WaitFor | None = None) -> None:
        """Say what the stage waits for, or only something that a person should know."""
        self.report("waiting", message=message, wait=wait)

    def waits(self, wait: WaitFor) -> Callable[[str], None]:
        """Return a way to say in words how the wait for one thing goes."""
        return partial(self.waiting, wait=wait)


class EventHandler(logging.Handler):
    """Pass every stage event that is logged to a function; other records go by unseen.

    The function is called in the thread of the stage, so it must be safe there and quick.
    """

    def __init__(self, on_event: OnEvent) -> None:
        super().__init__(logging.DEBUG)
        self._on_event = on_event

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record's event on."""
        event = getattr(record, _FIELD, None)
        if isinstance(event, StageEvent):
            self._on_event(event)
