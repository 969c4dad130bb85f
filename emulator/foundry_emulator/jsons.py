"""JSON as the emulator passes it on: one alias, one way to write it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

Json = dict[str, Any]


def compact(value: Mapping[str, Any] | list[Any]) -> str:
    """Write JSON without spaces; lone surrogates survive as escapes, so any stored text can be sent."""
    return json.dumps(value, separators=(",", ":"))


def copied(value: Mapping[str, Any]) -> Json:
    """Copy a JSON object deeply, so that a later change does not reach the original."""
    return json.loads(json.dumps(value))


def as_object(value: object) -> Json:
    """Return an object as it is, and an empty one for anything else."""
    return cast(Json, value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a list as it is, and an empty one for anything else."""
    return cast("list[Any]", value) if isinstance(value, list) else []
