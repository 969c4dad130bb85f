"""Makes what a recorded listing shows: as many entries of the same kind, the oldest first."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx2

from foundry_emulator.comparing.exchange import Exchange
from foundry_emulator.comparing.playing import Player, output_of
from foundry_emulator.jsons import Json, as_list, as_object
from foundry_emulator.testing.calls import Raw

_WAIT_S = 10.0
_RUNNING = ("queued", "in_progress")
_PLACE = re.compile(r"^/(?:openai/(?:v1/)?)?([a-z_]+)(?:/([^/?]+)/([a-z_]+))?/?(?:\?|$)")
_CODE: Json = {"type": "code_interpreter", "container": {"type": "auto"}}


def entries_of(exchange: Exchange) -> list[Json]:
    """Return the entries of a recorded listing, the oldest first; [] for what is none."""
    answer = as_object(exchange.answer)
    if exchange.method != "GET" or answer.get("object") != "list":
        return []
    entries = [as_object(entry) for entry in as_list(answer.get("data"))]
    return entries if "order=asc" in exchange.path else entries[::-1]


def is_cursor_older(exchange: Exchange) -> bool:
    """Say whether what `after` or `before` names in a listing is older than what the listing shows."""
    query = exchange.path.partition("?")[2]
    return ("order=asc" in query) == ("after=" in query)


@dataclass(frozen=True)
class Listing:
    """The entries of one listing, and what it takes to make them."""

    raw: Raw
    player: Player
    respond: Callable[[Json], str]
    """Makes a response like a recorded one."""
    agent: Callable[[str, object], None]
    named: Callable[[str], str]
    """Returns our ID for a recorded one that was made before."""

    def make(self, exchange: Exchange) -> None:
        """Make every entry of a listing."""
        place, entries = _PLACE.match(exchange.path), entries_of(exchange)
        if place is None or not entries:
            return
        kind, parent, inner = place[1], self.named(place[2] or ""), place[3]
        if (kind, inner) == ("conversations", "items"):
            self._items(parent, entries)
        elif (kind, inner) == ("vector_stores", "files"):
            for _ in entries:
                attached(self.raw, parent, self.raw.upload("notes.md", b"Widgets and gadgets.\n"))
        elif (kind, inner) == ("containers", "files"):
            for entry in entries:
                if entry.get("source") == "user":
                    put_into(self.raw, parent)
        elif not inner:
            for entry in entries:
                self._entry(kind, entry)

    def _entry(self, kind: str, entry: Json) -> None:
        if kind == "conversations":
            self.raw.ok("POST", "openai/v1/conversations", {"metadata": entry.get("metadata") or {}})
        elif kind == "files":
            uploaded(self.raw, str(entry.get("purpose") or "assistants"))
        elif kind == "vector_stores":
            self.raw.ok("POST", "openai/v1/vector_stores", {"name": entry.get("name") or "store"})
        elif kind == "containers":
            self.raw.ok("POST", "openai/v1/containers", {"name": "container"})
        elif kind == "agents":
            self.agent(str(entry.get("name")), "1")
        elif kind == "responses":
            with self.player.playing(output_of(entry)):
                self.respond(entry)

    def _items(self, conversation: str, entries: Sequence[Json]) -> None:
        """Say what was said; what has a response is made by one, with what was said before for its input."""
        said: list[Json] = []
        made: list[Json] = []
        for entry, following in zip(entries, [*entries[1:], {}], strict=True):
            if not entry.get("response_id"):
                said.append(plain(entry))
                continue
            made.append(entry)
            if following.get("response_id") != entry["response_id"]:
                with self.player.playing(made):
                    self.respond(
                        {
                            "conversation": {"id": conversation},
                            "input": said,
                            "agent_reference": as_object(entry.get("agent_reference")),
                        }
                    )
                said, made = [], []
        if said:
            self.raw.ok("POST", f"openai/v1/conversations/{conversation}/items", {"items": said[:20]})


def plain(item: Json) -> Json:
    """Return a message with its words alone."""
    part = as_object(next(iter(as_list(item.get("content"))), None))
    text = str(part.get("text") or "an item")
    return {"type": "message", "role": item.get("role") or "user", "content": text}


def _must(answer: httpx2.Response) -> None:
    if not answer.is_success:
        raise AssertionError(answer.text)


def uploaded(raw: Raw, purpose: str) -> str:
    """Upload a file for a purpose; returns its ID."""
    name = "data.jsonl" if purpose in ("fine-tune", "batch", "evals") else "notes.md"
    answer = raw.http.post(
        f"{raw.endpoint}/openai/v1/files",
        headers=raw.headers,
        data={"purpose": purpose},
        files={"file": (name, b"{}\n")},
    )
    _must(answer)
    return str(answer.json()["id"])


def attached(raw: Raw, store: str, file_id: str) -> None:
    """Put a file into a vector store, and wait until it can be searched."""
    raw.ok("POST", f"openai/v1/vector_stores/{store}/files", {"file_id": file_id})
    deadline = time.monotonic() + _WAIT_S
    path = f"openai/v1/vector_stores/{store}/files/{file_id}"
    while raw.ok("GET", path)["status"] == "in_progress" and time.monotonic() < deadline:
        time.sleep(0.01)


def put_into(raw: Raw, container: str) -> None:
    """Upload a file into a container."""
    address = f"{raw.endpoint}/openai/v1/containers/{container}/files"
    answer = raw.http.post(address, headers=raw.headers, files={"file": ("notes.md", b"notes")})
    _must(answer)


def worked_in(raw: Raw, player: Player) -> str:
    """Let code run and write a file; returns the container in which it did."""
    with player.playing([{"type": "code_interpreter_call", "code": "1"}]):
        made = raw.respond("Run it.", tools=[_CODE])
    calls = [item for item in made["output"] if item["type"] == "code_interpreter_call"]
    return str(calls[0]["container_id"])
