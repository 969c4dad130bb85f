"""What ends a command from outside: Ctrl-C, SIGTERM and the end of its terminal all do the same.

The first one asks the stages to stop. Whatever has not ended a few seconds later, such as a request that
nothing can interrupt, is left: what was begun is sealed, and its intents are found by the next run.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assetmill.stage.services import Services

STOP_WITHIN_S = 3.0
"""Prefect, systemd and people wait 5 s or more; sealing what was begun takes less than the rest."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_received: list[int] = []


def exit_code() -> int:
    """Return what a command ends with that was stopped: 128 and the signal, Ctrl-C's where none came."""
    return 128 + (_received[0] if _received else signal.SIGINT)


class Interrupts:
    """What a signal does: before the flow it interrupts, in the flow it asks the stages to stop."""

    def __init__(self, services: Services, *, is_handled: bool = False, is_patient: bool = False) -> None:
        self._services, self.is_handled, self._is_patient = services, is_handled, is_patient

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Ask the stages to stop; a second time, leave at once."""
        note(number)
        if self._services.stop.is_set():
            return None if self._is_patient else _leave()
        self._services.stop.set()
        # A stage may be inside a request that nothing can interrupt. Its intent is stored: it is safe to go.
        timer = threading.Timer(STOP_WITHIN_S, self._seal_and_leave)
        timer.daemon = True
        timer.start()
        if not self.is_handled:
            raise KeyboardInterrupt
        return None

    def _seal_and_leave(self) -> None:
        try:
            self._services.seal_all()
        finally:
            with suppress(OSError):
                os.write(2, b"stopped; run it again to go on\n")
            _leave()


def stop_at_signals() -> None:
    """Let SIGTERM and the end of the terminal interrupt a command as Ctrl-C does before anything began."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        _install(number, _interrupt)


@contextmanager
def interruptible(services: Services) -> Generator[Interrupts]:
    """Let signals stop the stages; in another than the main thread nothing changes."""
    interrupts = Interrupts(services)
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {number: _install(number, interrupts) for number in _SIGNALS}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def obey(services: Services) -> None:
    """Let signals stop the stages of a flow that a worker or `serve` runs, until its process ends.

    Prefect's own handler would end the flow and leave its stages at work.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    # Told twice, by its server and by Prefect: only a person means "at once" by it.
    handler = Interrupts(services, is_handled=True, is_patient=True)
    for number in _SIGNALS:
        _install(number, handler)


def _install(number: int, handler: Any) -> Any:
    """Set a handler and return the one before; what was started to outlive its terminal goes on."""
    before = signal.getsignal(number)
    if number == signal.SIGHUP and before is signal.SIG_IGN:
        return before
    signal.signal(number, handler)
    return signal.SIG_DFL if before is None else before


def _interrupt(number: int, frame: FrameType | None) -> None:
    note(number)
    raise KeyboardInterrupt


def note(number: int) -> None:
    """Remember what came first, and be silent where the terminal is gone: each word would be an error."""
    _received.append(number)
    if number == signal.SIGHUP:
        for file in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                _mute_when_gone(file.fileno())


def _mute_when_gone(descriptor: int) -> None:
    """Send a terminal's output nowhere once it has been hung up: then it is a device, and no terminal."""
    if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, descriptor)
        os.close(silence)


def _leave() -> None:
    with suppress(OSError, ValueError):
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h\n")
            sys.stderr.flush()
    os._exit(exit_code())
