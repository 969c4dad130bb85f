"""Which field of a stage's call changed: one short digest for each field that decides its output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from assetmill.fingerprint import canonical, digest
from assetmill.plan.calls import StageCall

_DIGITS = 10
"""Forty bits: enough to see a change; the fingerprint beside it is what counts."""


def deciding_digests(call: StageCall) -> dict[str, str]:
    """Return a digest for each deciding field; tools, inputs, knowledge and outputs one by one, by name.

    Fields that are not used are left out.
    """
    return {name: _short(value) for name, value in _fields(call.deciding())}


def changed_fields(locked: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return what differs, as words: `prompt`, `knowledge.brand`, `inputs.logo.png (new)`.

    `order` when every field is the same and yet the fingerprints differ.
    """
    names = dict.fromkeys((*now, *locked))
    found = [
        name + (" (new)" if name not in locked else " (gone)" if name not in now else "")
        for name in names
        if locked.get(name) != now.get(name)
    ]
    return tuple(found) or ("order",)


def _fields(deciding: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in deciding.items():
        if isinstance(value, dict):
            parts = cast("dict[str, Any]", value).items()
        elif isinstance(value, list):
            parts = list(_named(cast("list[Any]", value)))
        else:
            if value not in (None, ""):
                yield name, value
            continue
        for part, inside in parts:
            yield f"{name}.{part}", inside


def _named(entries: list[Any]) -> Iterator[tuple[str, Any]]:
    seen: dict[str, int] = {}
    for entry in entries:
        name = _name(entry)
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name}.{seen[name]}"), entry


def _name(entry: Any) -> str:
    """Return what a person calls it: a tool by its type, an output by its name, an input by its file."""
    if isinstance(entry, dict):
        fields = cast("dict[str, Any]", entry)
        return str(fields.get("name") or fields.get("server_label") or fields.get("type") or "")
    return str(cast("list[Any]", entry)[1]) if isinstance(entry, list) else str(entry)


def _short(value: Any) -> str:
    return digest(canonical(value)).removeprefix("sha256:")[:_DIGITS]
