"""A machine's clock that can be set wrong while programs run on it: libfaketime from its wheel."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


class Clock:
    """The clock of whatever is started with `environment`; how long something takes is told right."""

    def __init__(self, path: Path, library: Path) -> None:
        self._path = path
        self.set(0.0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(path),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, ahead_s: float) -> None:
        """Set the clock so many seconds before the right time, or with less than none after it."""
        new = self._path.with_suffix(".new")
        new.write_text(f"{ahead_s:+.0f}s\n")
        # Read by many processes every second: never half of it.
        os.replace(new, self._path)


def find_library() -> Path | None:
    """Return the library that is loaded before all others; None where its wheel has none for this machine."""
    found = importlib.util.find_spec("libfaketime")
    if found is None or not found.origin:
        return None
    path = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return path if path.exists() else None
