"""Whether somebody has called off what a process does: looked at before it begins, and every few seconds."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from assetmill.errors import RunStopped, StoreError
from assetmill.records import RunId
from assetmill.stage.services import Services

LOOK_EVERY_S = 2.0
"""One small request for each process; a stage costs none."""

Look = Callable[[], str]
"""Returns why it is called off, "" while it is not."""

_log = logging.getLogger("assetmill.cancelling")


@contextmanager
def watching(
    services: Services,
    looks: Sequence[Look],
    on_cancel: Callable[[str], object] = lambda _: None,
    period_s: float = LOOK_EVERY_S,
) -> Generator[None]:
    """Stop the stages of a process as soon as one of the looks finds that it is called off.

    All looks are made once before anything begins; then each has a thread of its own, so that none waits for
    another's server. `on_cancel` is told why, before the stages are stopped.
    """
    watch = _Watch(services, on_cancel, period_s)
    if not any(watch.find(look) for look in looks):
        watch.begin(looks)
    try:
        yield
    finally:
        watch.end()


def marked(services: Services, run_id: RunId) -> Look:
    """Return the look at a run's mark in the store."""
    return lambda: services.ledger.cancelled(run_id)


class _Watch:
    def __init__(self, services: Services, on_cancel: Callable[[str], object], period_s: float) -> None:
        self._services, self._on_cancel, self._period_s = services, on_cancel, period_s
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self, looks: Sequence[Look]) -> None:
        for look in looks:
            # Who is asked, and as whom, may be settings of the context that begins.
            run = contextvars.copy_context().run
            thread = threading.Thread(target=run, args=(self._follow, look), name="cancel-watch", daemon=True)
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        """Look no more. A look under way is left: it may wait for a store that is away."""
        self._ended.set()

    def find(self, look: Look) -> bool:
        """Look once, and stop the stages when it is called off."""
        reason = look()
        if not reason or self._ended.is_set():
            return bool(reason)
        self._on_cancel(reason)
        self._services.cancel(reason)
        return True

    def _follow(self, look: Look) -> None:
        while not self._ended.wait(self._period_s):
            try:
                if self.find(look):
                    return
            except RunStopped:
                return  # it is being stopped already
            except StoreError as error:
                # It is told where it matters, by the stages that need the store.
                _log.info("could not look whether it is called off: %s", error)
            except Exception:
                # Any: whoever began the watch has gone, and has closed what this look was asking.
                if self._ended.is_set():
                    return
                raise
