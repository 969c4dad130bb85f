"""HarfBuzz, which shapes letters and draws them. It ships no types: its unknowns end here."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def harfbuzz() -> Any:
    """Return the module, imported when the first letter needs it."""
    return importlib.import_module("uharfbuzz")
