"""What a page needs to change pictures: services of its own, and the service itself while it draws."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from assetmill.gallery.changing import Changing
from assetmill.local.services import local_services
from assetmill.settings import Settings
from assetmill.stage.services import Services, open_services


@contextmanager
def opened_changing(settings: Settings) -> Generator[Changing]:
    """Let a page change pictures; at the end what it began stops, seals itself and is waited for."""
    changing = Changing(lambda: open_services(settings), _with_service)
    try:
        yield changing
    finally:
        changing.close()


@contextmanager
def _with_service(services: Services) -> Generator[None]:
    """Start the embedded service where the profile uses it, and hold it meanwhile.

    Raises:
        InvalidSettings: it did not start.
    """
    stopped = services.stop.is_set
    with local_services(services.settings, prefect=False, is_stopped=stopped) as local:
        local.wait_for_emulator()
        yield
