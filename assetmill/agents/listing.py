"""A conversation's responses as a list of the service shows them, believed entry by entry.

A list may leave its filter, its order or its cursor out of account. An entry that names another conversation
is none of ours; a page that brings nothing new is the last one.
"""

from __future__ import annotations

from typing import cast

from assetmill.agents.foundry_wire import read_body
from assetmill.agents.gateway import Json, Response
from assetmill.agents.streaming import as_map
from assetmill.errors import HandleExpired

MOST_PAGES = 100
"""A conversation has a response a turn: a list that goes on for longer is not of one conversation."""


class Listing:
    """Collects the pages of one list."""

    def __init__(self, conversation_id: str) -> None:
        self._conversation_id = conversation_id
        self._found: dict[str, Response] = {}
        self._seen: set[str] = set()
        self._pages = 0
        self._strangers = 0

    def take(self, page: object) -> str | None:
        """Take a page and return after which ID to ask for the next, None when there is no point in it."""
        fields = as_map(page)
        entries = fields.get("data")
        bodies = [as_map(entry) for entry in cast(list[object], entries)] if isinstance(entries, list) else []
        ids = [name for body in bodies if isinstance(name := body.get("id"), str) and name]
        is_new = bool(set(ids) - self._seen)
        self._seen.update(ids)
        for body in bodies:
            self._take_entry(body)
        self._pages += 1
        return ids[-1] if fields.get("has_more") is True and is_new and self._pages < MOST_PAGES else None

    def _take_entry(self, body: Json) -> None:
        try:
            response = read_body(body)
        except ValueError:
            return  # nobody could ask for it
        if conversation_of(body) in ("", self._conversation_id):
            self._found.setdefault(response.response_id, response)
        else:
            self._strangers += 1

    def responses(self) -> tuple[Response, ...]:
        """Return the conversation's responses, oldest first.

        Raises:
            HandleExpired: other conversations were listed and this one was not, which proves nothing.
        """
        if self._strangers and not self._found:
            shown = f"{self._strangers} responses of other conversations and none of {self._conversation_id}"
            raise HandleExpired(f"the list shows {shown}", "list_not_filtered")
        found = list(self._found.values())
        made = [response.body.get("created_at") for response in found]
        if not all(isinstance(at, int | float) for at in made):
            return tuple(found)
        times = cast(list[float], made)
        if times and times[0] > times[-1]:
            found.reverse()
        # Stable: what was made within one second stays in the order of the list.
        return tuple(sorted(found, key=lambda response: float(response.body["created_at"])))


def conversation_of(body: Json) -> str:
    """Return the conversation that a response names, "" when it names none."""
    named = body.get("conversation")
    name = as_map(named).get("id") if not isinstance(named, str) else named
    return name if isinstance(name, str) else ""
