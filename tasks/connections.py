"""The services that tasks of this process share, opened once per profile.

A client passed to a task as an argument would be logged and hashed; tasks pass the profile's name instead.
"""

from __future__ import annotations

import atexit
import contextvars
import logging
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from assetmill.outages import OutageNotice, Outages
from assetmill.settings import Settings, load_settings
from assetmill.stage import interrupts
from assetmill.stage.services import Services, open_services
from tasks.events import tell_outage
from tasks.logs import keep_secrets

_log = logging.getLogger("assetmill.outages")

_given: dict[str | None, Services] = {}
_opened = ExitStack()
# Stages start together: without it, two would open the same profile.
_guard = threading.Lock()


def services_for(profile: str | None) -> Services:
    """Return the services of a profile; they stay open until the process ends.

    Raises:
        InvalidSettings: the profile or its store cannot be used.
    """
    keep_secrets()
    with _guard:
        if profile not in _given:
            if not _given:
                atexit.register(_opened.close)
            services = _opened.enter_context(unattended(load_settings(profile)))
            interrupts.obey(services)
            _given[profile] = services
        return _given[profile]


@contextmanager
def unattended(settings: Settings) -> Generator[Services]:
    """Open services for which nobody sits at a terminal: Prefect's log and its events tell of outages."""
    stop = threading.Event()
    outages = Outages(settings.run.outage_s, stop)
    outages.is_unattended = True
    # Heartbeats, leases and stages meet an outage in threads that know of no run.
    context = contextvars.copy_context()
    outages.listen(lambda outage: context.copy().run(_log_outage, outage))
    outages.listen(tell_outage)
    with open_services(settings, outages=outages, stop=stop) as services:
        yield services


def _log_outage(outage: OutageNotice) -> None:
    """Log an outage where Prefect keeps what its run says; outside a run, in the process's own log."""
    try:
        log: logging.Logger | logging.LoggerAdapter[logging.Logger] = get_run_logger()
    except MissingContextError:
        log = _log
    log.warning("%s", outage)


@contextmanager
def provided(services: Services, profile: str | None) -> Generator[Services]:
    """Let tasks of this process use services that the caller opened and closes."""
    services.outages.listen(tell_outage)
    with _guard:
        before = _given.get(profile)
        _given[profile] = services
    try:
        yield services
    finally:
        with _guard:
            del _given[profile]
            if before is not None:
                _given[profile] = before
