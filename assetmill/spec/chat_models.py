"""The chat models that can orchestrate a stage: what they take, and how long they live."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from assetmill.settings import config_file
from assetmill.spec.lifetimes import Lifetime, check_replacements, read_lifetime
from assetmill.spec.tables import DataTable, Source, TableRow

_KNOWLEDGE = ("yes", "listed", "disputed", "unknown")


class ChatModel(NamedTuple):
    """One row of the table. `image_tool` says how sure it is that the model may call the image tool."""

    name: str
    reasons: bool
    image_tool: str
    lifetime: Lifetime
    sources: tuple[Source, ...]


def load_chat_models(configs: Path) -> Mapping[str, ChatModel]:
    """Read the table of chat models; aliases are rows of their own.

    Raises:
        InvalidSpec: a fault in the file, with its line.
    """
    table = DataTable(config_file(configs, "chat_models.toml"))
    found: dict[str, ChatModel] = {}
    lifetimes: dict[str, tuple[Lifetime, TableRow]] = {}
    for name, row in table.rows("model", "name"):
        model = _row(name, row)
        lifetimes[name] = model.lifetime, row
        found |= dict.fromkeys((name, *row.words("aliases")), model)
        row.close()
    check_replacements(lifetimes)
    return found


def _row(name: str, row: TableRow) -> ChatModel:
    image_tool = row.text("image_tool", "unknown")
    if image_tool not in _KNOWLEDGE:
        row.refuse("image_tool", f"{name}: image_tool cannot be {image_tool!r}", ", ".join(_KNOWLEDGE))
    return ChatModel(name, row.flag("reasons"), image_tool, read_lifetime(row), row.sources())
