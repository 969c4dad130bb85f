"""What an endpoint told of its models, kept between commands: those that ask no network still know it."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from assetmill.agents.lifecycles import Lifecycle
from assetmill.errors import InvalidInput
from assetmill.spec.lifetimes import ToldEnd

_FILE = "models.json"


class Told(NamedTuple):
    """What an endpoint says, and the day on which it said so."""

    lifecycle: Lifecycle
    read: datetime.date

    def __str__(self) -> str:
        return f"{self.lifecycle.source}, {self.read}"

    @property
    def end(self) -> ToldEnd:
        """What counts before every table."""
        return ToldEnd(self.lifecycle.day, self.lifecycle.is_gone, str(self))


def keep_told(home: Path, endpoint: str, lifecycles: Iterable[Lifecycle], today: datetime.date) -> None:
    """Keep what an endpoint told today in place of what it told before."""
    rows = [
        {**one._asdict(), "day": str(one.day) if one.day else None, "read": str(today)} for one in lifecycles
    ]
    home.mkdir(parents=True, exist_ok=True)
    path = home / _FILE
    endpoints = {**_endpoints(path), endpoint: rows}
    # Two may be told at once: each has a file of its own until it is whole.
    beside = path.with_suffix(f".{uuid.uuid4().hex}")
    beside.write_text(json.dumps(endpoints, indent=1), encoding="utf-8")
    beside.replace(path)


def read_told(home: Path, endpoint: str) -> Mapping[str, Told]:
    """Return what an endpoint told last, by the name that requests use.

    Raises:
        InvalidInput: the file was damaged.
    """
    rows = _endpoints(home / _FILE).get(endpoint, [])
    try:
        return {row["name"]: _told(row) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"{home / _FILE} is damaged: {error!r}; delete it, doctor writes it anew"
        ) from error


def told_ends(home: Path, endpoint: str) -> Mapping[str, ToldEnd]:
    """Return what an endpoint told last of its models' ends; nobody is asked."""
    return {name: one.end for name, one in read_told(home, endpoint).items()}


def _told(row: Mapping[str, Any]) -> Told:
    day = datetime.date.fromisoformat(row["day"]) if row["day"] else None
    lifecycle = Lifecycle(row["name"], row["model"], row["version"], day, row["is_gone"], row["source"])
    return Told(lifecycle, datetime.date.fromisoformat(row["read"]))


def _endpoints(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InvalidInput:
    return InvalidInput(f"{path} is damaged: {error!r}; delete it, doctor writes it anew")
