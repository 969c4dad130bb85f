"""The services that tasks of this process share, opened once per profile.

A client passed to a task as an argument would be logged and hashed; tasks pass the profile's name instead.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from assetmill.outages import OutageNotice, Outages
from assetmill.settings import Settings, load_settings
from assetmill.stage import interrupts
from assetmill.stage.services import Services, open_services
from tasks.events import tell_outage
from tasks.logs import keep_secrets

_log = logging.getLogger("prefect.flow_runs")
"""Prefect keeps what is written there with the run that it belongs to, when it has one."""

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
            services = _opened.enter_context(_unattended(load_settings(profile)))
            interrupts.obey(services)
            _given[profile] = services
        return _given[profile]


@contextmanager
def _unattended(settings: Settings) -> Generator[Services]:
    """Open services for which nobody sits at a terminal: Prefect's log and its events tell of outages."""
    stop = threading.Event()
    outages = Outages(settings.run.outage_s, stop)
    outages.is_unattended = True
    outages.listen(_log_outage)
    outages.listen(tell_outage)
    with open_services(settings, outages=outages, stop=stop) as services:
        yield services


def _log_outage(outage: OutageNotice) -> None:
    _log.warning("%s", outage)


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
