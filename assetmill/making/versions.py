"""Versions of what writes files here: a newer one may write other bytes of the same picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PICTURES = ("pillow",)
_TEXT = ("uharfbuzz", "uniseg", "pyicu", "pyphen")
_PHRASES = ("budoux",)


def made_with(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the versions that decide the bytes of what these entries make, by the package's name."""
    letters = any("text" in layer for entry in entries for layer in entry.get("layers", ()))
    phrases = any("phrases" in layer for entry in entries for layer in entry.get("layers", ()))
    names = (*_PICTURES, *(_TEXT if letters else ()), *(_PHRASES if phrases else ()))
    return {name: found for name in names if (found := installed(name))}


def newer(before: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return what has another version now than a record was made with: before, and here."""
    now = {name: installed(name) for name in before}
    return {name: (was, now[name]) for name, was in before.items() if now[name] != was}


@cache
def installed(name: str) -> str:
    """Return an installed package's version, "" for one that is not there; nothing is imported."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
