"""Exchanges that were recorded one after the other, and how each goes on from those before it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from foundry_emulator.comparing.exchange import Exchange
from foundry_emulator.comparing.playing import answer_of, output_of, recorded_items
from foundry_emulator.jsons import Json, as_list, as_object

_ID = re.compile(r"[a-z]+[_-][A-Za-z0-9]{16,}")
_RUNNING = ("queued", "in_progress")


def sessions(exchanges: Sequence[Exchange]) -> Iterator[list[Exchange]]:
    """Yield what belongs together, in the order in which it was recorded."""
    ordered = sorted(exchanges, key=lambda one: (one.session, one.number))
    for session, group in itertools.groupby(ordered, key=lambda one: one.session):
        if session:
            yield list(group)
        else:
            yield from ([one] for one in group)


def stands_alone(exchange: Exchange) -> bool:
    """Say whether an answer shows something at work, which no repetition meets at the same moment."""
    if not exchange.session:
        return True
    if exchange.method != "GET":
        return False
    answer = as_object(exchange.answer)
    shown = [answer, *map(as_object, as_list(answer.get("data")))]
    return any(one.get("object") == "response" and one.get("status") in _RUNNING for one in shown)


class Session:
    """What is known of one session: which of our IDs stand for which recorded ones, and how responses end."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self.ids: dict[str, str] = {}
        self._ends: dict[str, list[Json]] = {}
        for exchange in exchanges:
            self._note(answer_of(exchange), list(recorded_items(exchange)))
            for entry in as_list(as_object(exchange.answer).get("data")):
                self._note(as_object(entry), output_of(as_object(entry)))

    def _note(self, response: Json, items: list[Json]) -> None:
        name = str(response.get("id") or "")
        if response.get("object") == "response" and len(items) >= len(self._ends.get(name, [])):
            self._ends[name] = items

    def items(self, exchange: Exchange) -> list[Json]:
        """Return what a response that an exchange began has made in the end."""
        name = str(answer_of(exchange).get("id") or "")
        return self._ends.get(name) or list(recorded_items(exchange))

    def learn(self, recorded: Any, here: Any) -> None:
        """Note which of our IDs stands where a recorded one stood."""
        if isinstance(recorded, dict) and isinstance(here, dict):
            ours = cast(Json, here)
            for key, value in cast(Json, recorded).items():
                self.learn(value, ours.get(key))
        elif isinstance(recorded, list) and isinstance(here, list):
            for theirs, own in zip(cast("list[Any]", recorded), cast("list[Any]", here), strict=False):
                self.learn(theirs, own)
        elif isinstance(recorded, str) and isinstance(here, str) and _ID.fullmatch(recorded):
            self.ids.setdefault(recorded, here)
