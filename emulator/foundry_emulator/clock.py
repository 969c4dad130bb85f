"""The emulator's own clock: real time plus an offset that tests move, so that expiries can be watched."""

from __future__ import annotations

import time

from foundry_emulator.state import State

_OFFSET = "clock_offset_s"


class Clock:
    """Tells the emulator's time; the offset is part of the state and survives a restart."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._offset_s = float(state.meta(_OFFSET) or 0.0)

    def now(self) -> float:
        """Return unix seconds."""
        return time.time() + self._offset_s

    def stamp(self) -> int:
        """Return whole unix seconds, as most objects carry them."""
        return int(self.now())

    def advance(self, seconds: float) -> float:
        """Move time forwards and return the new time."""
        self._offset_s += seconds
        self._state.set_meta(_OFFSET, repr(self._offset_s))
        return self.now()

    def reset(self) -> None:
        """Return to real time."""
        self._offset_s = 0.0
        self._state.set_meta(_OFFSET, "0.0")
