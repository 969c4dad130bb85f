"""A stage's structured answer: read as JSON, held to its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import jsonschema
from referencing import Registry
from referencing.exceptions import Unresolvable


@dataclass(frozen=True)
class Answer:
    """The data, or in words what is wrong with them."""

    data: dict[str, Any] | None
    fault: str = ""


def read_answer(text: str, text_format: Mapping[str, Any] | None) -> Answer:
    """Return a structured answer that fits its schema; a stage that asked for none has no data."""
    if text_format is None:
        return Answer(None)
    try:
        # NaN and the infinities are Python's, no JSON: they could not be stored.
        value: Any = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return Answer(None, f"the structured answer is not JSON: {error}")
    fault = _fault(value, cast(Mapping[str, Any], text_format["schema"]))
    data = cast(dict[str, Any], value) if isinstance(value, dict) else {"value": value}
    return Answer(None, fault) if fault else Answer(data)


def _fault(value: Any, schema: Mapping[str, Any]) -> str:
    """Say where the first difference is and what it is, "" when there is none."""
    # An empty registry: a schema that points to an address must not be fetched.
    validator = jsonschema.Draft202012Validator(schema, registry=Registry())
    try:
        first = min(validator.iter_errors(value), key=lambda error: list(map(str, error.path)), default=None)
    except (Unresolvable, RecursionError) as error:
        return f"its schema cannot be followed: {error}"
    if first is None:
        return ""
    where = first.json_path.removeprefix("$").removeprefix(".") or "the answer"
    return f"the structured answer does not fit its schema at {where}: {first.message[:300]}"


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is no JSON")
