"""What the engine says of a stage while it works, put on its span; each wait becomes a span of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from assetmill.progress import LOGGER_NAME, EventHandler, StageEvent
from assetmill.redaction import redact
from assetmill.traces import switch, words
from assetmill.traces.sending import opened

_MESSAGE_CHARS = 200


class StageWaits:
    """One stage's steps. The engine tells them in the stage's own thread."""

    def __init__(self, span: Any, about: dict[str, Any]) -> None:
        self._span, self._about = span, about
        self._open: Any = None
        self._what, self._since = "", 0.0

    def hear(self, event: StageEvent) -> None:
        """Take a step: a wait begins, or ends with whatever comes after it."""
        if event.wait:
            return self._begin(event.wait, event.message)
        if event.event in {"frame", "waiting"}:
            return None
        self.end()
        if (name := f"assetmill.{event.event}") in words.EVENTS:
            self._span.add_event(name)
        return None

    def _begin(self, what: str, message: str) -> None:
        """Open a wait, or go on with one for the same."""
        if self._what == what:
            return
        self.end()
        self._what, self._since = what, time.monotonic()
        attributes = {"assetmill.wait.for": what}
        if switch.tells_content():
            # The words of a refusal may repeat what was asked.
            attributes["assetmill.wait.message"] = redact(message)[:_MESSAGE_CHARS]
        self._open = opened().tracer.start_span(f"wait {what}", attributes=attributes)
        opened().instruments["assetmill.stages.waiting"].add(1, self._told())

    def end(self) -> None:
        """Close the wait that is open, if one is."""
        if self._open is None:
            return
        self._open.end()
        passed_s, instruments = time.monotonic() - self._since, opened().instruments
        instruments["assetmill.stages.waiting"].add(-1, self._told())
        instruments["assetmill.wait.duration"].record(passed_s, self._told())
        self._open, self._what = None, ""

    def _told(self) -> dict[str, Any]:
        return {**self._about, "assetmill.wait.for": self._what}


@contextmanager
def listening(span: Any, about: dict[str, Any]) -> Generator[None]:
    """Put what the engine says of a stage on its span, until the end."""
    from opentelemetry.trace import get_current_span

    waits = StageWaits(span, about)

    def hear(event: StageEvent) -> None:
        # Not by label: rows of a batch share theirs, and a draw has that of its stage.
        if get_current_span() is span:
            waits.hear(event)

    logger, handler = logging.getLogger(LOGGER_NAME), EventHandler(hear)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        waits.end()
