"""What of the vendor's published samples and tests is not run against the emulator, and why."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("vendor_scope.toml")


@dataclass(frozen=True)
class VendorScope:
    """Names that are left out, with their reasons."""

    samples: Mapping[str, str]
    """By name without ending; an asynchronous twin goes with its synchronous one."""
    tests: Mapping[str, str]
    """By file below `tests`, or by file and test; twins as above."""


def vendor_scope() -> VendorScope:
    """Read what is left out."""
    read = tomllib.loads(_FILE.read_text("utf-8"))
    return VendorScope(read["samples"], read["tests"])
