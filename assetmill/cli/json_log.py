"""What a command says of its progress, as one JSON object a line: for machines that collect logs."""

from __future__ import annotations

import datetime
import json
import logging
import sys
import threading
from collections.abc import Mapping
from typing import Any

import click

from assetmill.progress import StageEvent
from assetmill.redaction import redact

_KEY, _LOGGER = "assetmill.json_log", "assetmill"


def begin(context: click.Context) -> None:
    """Tell progress as JSON, and so what is logged beside the steps of stages, until the command ends."""
    context.meta[_KEY] = True
    logger, handler = logging.getLogger(_LOGGER), _Handler(logging.WARNING)
    logger.addHandler(handler)
    context.call_on_close(lambda: logger.removeHandler(handler))


def is_json() -> bool:
    """Whether the command that runs was asked to tell its progress as JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().meta.get(_KEY))


def write(message: str, level: str = "info", **fields: Any) -> None:
    """Write one line; fields that are None are left out."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    told = {"time": now, "level": level, "message": redact(message.strip())}
    told |= {name: value for name, value in fields.items() if value is not None}
    # One write for a line: stages tell from their own threads.
    with _lock:
        sys.stderr.write(f"{json.dumps(told, ensure_ascii=False)}\n")
        sys.stderr.flush()


_lock = threading.Lock()


def write_event(event: StageEvent) -> None:
    """Write one step of a stage."""
    write(str(event), **_fields(event))


def _fields(event: StageEvent) -> Mapping[str, Any]:
    return {
        "event": event.event,
        "label": event.label,
        "run_id": event.run_id,
        "seconds": event.seconds,
        "cost_usd": event.cost_usd,
        "response_id": event.response_id,
    }


class _Handler(logging.Handler):
    """Writes what is logged beside the steps of stages: outages, and what is left out."""

    def emit(self, record: logging.LogRecord) -> None:
        write(record.getMessage(), record.levelname.lower(), logger=record.name)
