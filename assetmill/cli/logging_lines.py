"""Where the log of a command goes when somebody asks for it: each step as a line, without secrets."""

from __future__ import annotations

import logging
import sys

import click

from assetmill.errors import InvalidInput
from assetmill.redaction import redact

_LOGGER = "assetmill"
_LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _Redacted(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def to_stderr(context: click.Context) -> None:
    """Log on stderr until the command ends."""
    _add(context, logging.StreamHandler(sys.stderr))


def to_file(context: click.Context, path: str) -> None:
    """Append the log to a file until the command ends.

    Raises:
        InvalidInput: the file cannot be written.
    """
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"--log-file {path!r}: {error.strerror}") from error
    _add(context, handler)


def _add(context: click.Context, handler: logging.Handler) -> None:
    logger = logging.getLogger(_LOGGER)
    before = logger.level
    handler.setFormatter(_Redacted(_LINE))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    def end() -> None:
        logger.removeHandler(handler)
        logger.setLevel(before)
        handler.close()

    context.call_on_close(end)
