"""The chat models that can orchestrate a stage: what they take, in which lanes, and how long they live."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

from assetmill.settings import config_file
from assetmill.spec.lifetimes import Lifetime, check_replacements, read_lifetime
from assetmill.spec.tables import PROVIDERS, DataTable, Source, TableRow, read_once

_KNOWLEDGE = ("yes", "listed", "disputed", "unknown")
_LANES = ("flex", "batch")
_LANE_KNOWLEDGE = ("yes", "priced")
_AGENTS = ("yes", "no", "unknown")


class ChatModel(NamedTuple):
    """One row of the table. `image_tool` says how sure it is that the model may call the image tool.

    `lanes` says by provider and lane how sure it is that its requests may go there.
    """

    name: str
    reasons: bool
    image_tool: str
    lifetime: Lifetime
    sources: tuple[Source, ...]
    lanes: Mapping[str, Mapping[str, str]] = {}
    lane_sources: tuple[Source, ...] = ()

    @property
    def family(self) -> str:
        """The series that it is of: its members share what they were trained on, and so their mistakes."""
        return re.split(r"-(?=[a-z])", self.name.removeprefix("gpt-"))[0]


class LaneFacts(NamedTuple):
    """What a lane can do for a stage. `agents`: whether it takes their responses."""

    name: str
    agents: str
    longest_s: int
    note: str
    sources: tuple[Source, ...]


def load_lanes(configs: Path) -> Mapping[str, LaneFacts]:
    """Read what is known of the lanes beside the normal one.

    Raises:
        InvalidSpec: a fault in the file, with its line.
    """
    found: dict[str, LaneFacts] = {}
    for name, row in DataTable(config_file(configs, "chat_models.toml")).rows("lane", "name"):
        _choose(row, "name", name, _LANES)
        agents = _choose(row, "agents", row.text("agents"), _AGENTS)
        found[name] = LaneFacts(name, agents, row.count("longest_s"), row.text("note"), row.sources())
        row.close()
    return found


def load_chat_models(configs: Path) -> Mapping[str, ChatModel]:
    """Read the table of chat models; aliases are rows of their own.

    Raises:
        InvalidSpec: a fault in the file, with its line.
    """
    return _chat_models(config_file(configs, "chat_models.toml"))


@read_once
def _chat_models(path: Path) -> Mapping[str, ChatModel]:
    table = DataTable(path)
    found: dict[str, ChatModel] = {}
    lifetimes: dict[str, tuple[Lifetime, TableRow]] = {}
    for name, row in table.rows("model", "name"):
        model = _row(name, row)
        lifetimes[name] = model.lifetime, row
        for called in (name, *row.words("aliases")):
            found[called] = model._replace(lifetime=model.lifetime.called(called))
        row.close()
    check_replacements(lifetimes)
    return found


def _row(name: str, row: TableRow) -> ChatModel:
    image_tool = _choose(row, "image_tool", row.text("image_tool", "unknown"), _KNOWLEDGE)
    lanes = {provider: _lanes(row, provider) for provider in row.mapping("lanes") and PROVIDERS}
    sources = row.sources("lanes_source") if lanes else ()
    return ChatModel(name, row.flag("reasons"), image_tool, read_lifetime(row), row.sources(), lanes, sources)


def _lanes(row: TableRow, provider: str) -> Mapping[str, str]:
    """Return what a row says of its model's lanes at one provider."""
    given = row.by_provider("lanes").get(provider, {})
    if not isinstance(given, dict):
        row.refuse("lanes", f"lanes of {provider} must be a table, not {given!r}")
    found = cast("dict[str, object]", given)
    for lane, word in found.items():
        _choose(row, "lanes", lane, _LANES)
        _choose(row, "lanes", str(word), _LANE_KNOWLEDGE)
    return {lane: str(word) for lane, word in found.items()}


def _choose(row: TableRow, key: str, value: str, known: tuple[str, ...]) -> str:
    """Return a word that must be one of those known."""
    if value not in known:
        row.refuse(key, f"{key} cannot be {value!r}", ", ".join(known))
    return value
