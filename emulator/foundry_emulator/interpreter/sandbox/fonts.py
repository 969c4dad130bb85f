"""Matplotlib's list of fonts, made once per machine: finding them again would cost every plot a second."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from foundry_emulator.interpreter.sandbox.cage import Cage

_TIMEOUT_S = 60.0
_LIST = re.compile(r"fontlist-[A-Za-z0-9.-]{1,32}\.json")
_WANTED = re.compile(r"matplotlib|seaborn|\.plot\b|\.hist\b")
_FIND = """
import os, shutil
import matplotlib, matplotlib.font_manager
for name in os.listdir(matplotlib.get_cachedir()):
    if name.startswith("fontlist"):
        shutil.copyfile(os.path.join(matplotlib.get_cachedir(), name), "/mnt/data/" + name)
"""


class FontLists:
    """The list for this machine, found when code first looks as if it wanted to plot.

    It is made inside the cage by our own code and kept in `cache`, or for this process only if there is none.
    """

    def __init__(self, cage: Cage, cache: Path | None) -> None:
        self._cage = cage
        self._cache = cache
        self._found: Mapping[str, str] | None = None
        # Two first plots at once would both search.
        self._lock = threading.Lock()

    def wanted_by(self, code: str) -> Mapping[str, str]:
        """Return file names and their text for code that plots, nothing for other code."""
        if not _WANTED.search(code):
            return {}
        with self._lock:
            if self._found is None:
                self._found = self._read() or self._make()
            return self._found

    def _read(self) -> Mapping[str, str]:
        if self._cache is None:
            return {}
        try:
            stored = cast("dict[str, str]", json.loads(self._cache.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}
        return {name: text for name, text in stored.items() if _LIST.fullmatch(name)}

    def _make(self) -> Mapping[str, str]:
        with tempfile.TemporaryDirectory(prefix="fonts-") as place:
            outcome = self._cage.run(_FIND, Path(place), _TIMEOUT_S)
        made = {
            name: data.decode("utf-8", "replace") for name, data in outcome.files if _LIST.fullmatch(name)
        }
        if made and self._cache is not None:
            # Without the file the next start searches again, which is slow but right.
            with contextlib.suppress(OSError):
                self._cache.parent.mkdir(parents=True, exist_ok=True)
                fresh = self._cache.with_name(f"{self._cache.name}.{os.getpid()}")
                fresh.write_text(json.dumps(made), encoding="utf-8")
                fresh.replace(self._cache)
        return made
