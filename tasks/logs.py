"""What Prefect logs of an error, without secrets: its traceback shows the vendor's own errors as they are."""

from __future__ import annotations

import logging

from assetmill.redaction import redact

LOGGERS = ("prefect.flow_runs", "prefect.task_runs")
"""Where Prefect writes that a run has met an exception, with every one that led to it."""


class SecretFilter(logging.Filter):
    """Takes secrets and passwords of addresses out of a message and its traceback; lets everything pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record before any handler has it."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


def keep_secrets() -> None:
    """Filter what Prefect logs of runs in this process; repeating is free."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, SecretFilter) for one in logger.filters):
            logger.addFilter(SecretFilter())
