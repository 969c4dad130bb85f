"""Tools that run elsewhere: the emulator refuses them by name, and an exchange is compared without them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, cast

from foundry_emulator.comparing.exchange import Exchange
from foundry_emulator.comparing.playing import PLAYED
from foundry_emulator.jsons import Json, as_list, as_object
from foundry_emulator.responses.toolspecs import TOOL_TYPES

_KNOWN_ITEMS = frozenset({*PLAYED, "message", "reasoning"})


def without_foreign_tools(exchange: Exchange) -> tuple[Exchange, frozenset[str]]:
    """Return an exchange without the tools that the emulator does not have, and their types."""
    foreign = frozenset(_foreign_tools(exchange))
    items = frozenset(
        str(as_object(event.get("item")).get("id"))
        for event in exchange.events
        if as_object(event.get("item")).get("type", "message") not in _KNOWN_ITEMS
    )
    if not foreign and not items:
        return exchange, foreign
    events = tuple(_without(event, foreign) for event in exchange.events if not _is_about(event, items))
    return dataclasses.replace(exchange, answer=_without(exchange.answer, foreign), events=events), foreign


def _foreign_tools(exchange: Exchange) -> Iterable[str]:
    for body in (exchange.answer, *(event.get("response") for event in exchange.events)):
        for tool in as_list(as_object(body).get("tools")):
            kind = str(as_object(tool).get("type"))
            if kind not in TOOL_TYPES:
                yield kind


def _is_about(event: Json, items: frozenset[str]) -> bool:
    named = event.get("item_id") or as_object(event.get("item")).get("id")
    return str(named) in items


def _without(value: Any, foreign: frozenset[str]) -> Any:
    """Return a body or an event without these tools, and without what only they make."""
    if not isinstance(value, dict):
        return value
    shown = dict(cast(Json, value))
    if "response" in shown:
        shown["response"] = _without(shown["response"], foreign)
    for name in ("tools", "output"):
        if isinstance(shown.get(name), list):
            shown[name] = [one for one in as_list(shown[name]) if _is_ours(as_object(one), name, foreign)]
    return shown


def _is_ours(entry: Json, place: str, foreign: frozenset[str]) -> bool:
    kind = str(entry.get("type"))
    return kind not in foreign if place == "tools" else kind in _KNOWN_ITEMS
