"""Answers as a JSON document that the requested schema allows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from foundry_emulator.model.filling import fill
from foundry_emulator.model.functions import clues_of
from foundry_emulator.model.history import parse_object
from foundry_emulator.model.reading import Reading
from foundry_emulator.steps import Hit, Say


def is_wanted(text_format: Mapping[str, Any] | None) -> bool:
    """Say whether the answer has to be JSON."""
    return text_format is not None and text_format.get("type") in {"json_schema", "json_object"}


def say_json(reading: Reading, hits: Sequence[Hit], logs: str) -> Say:
    """Answer with a document valid against the schema, written without spaces as the service does."""
    text_format = reading.turn.text_format or {}
    schema = text_format.get("schema")
    if text_format.get("type") == "json_object" or not isinstance(schema, Mapping):
        clues = clues_of(reading, hits, logs, {})
        return Say(_compact({"answer": clues.prose or clues.text}))
    return Say(_compact(document(cast("Mapping[str, Any]", schema), reading, hits, logs)))


def document(schema: Mapping[str, Any], reading: Reading, hits: Sequence[Hit], logs: str) -> Any:
    """Fill the schema; values that it refuses are replaced by the plainest that it allows."""
    value = fill(schema, clues_of(reading, hits, logs, schema))
    if isinstance(value, dict):
        value = _with_answers(schema, cast("dict[str, Any]", value), reading)
    for error in errors_in(schema, value)[:50]:
        value = _mended(value, list(error.absolute_path), error)
    return value


def _with_answers(schema: Mapping[str, Any], value: dict[str, Any], reading: Reading) -> dict[str, Any]:
    """Take over what a function answered under the name of a property, where the schema allows it."""
    for call in reading.answers:
        for name, answer in parse_object(call.output).items():
            taken = {**value, name: answer}
            if name in value and not errors_in(schema, taken):
                value = taken
    return value


def errors_in(schema: Mapping[str, Any], value: Any) -> list[ValidationError]:
    """List where `value` breaks the schema; an impossible schema counts as satisfied."""
    try:
        Draft202012Validator.check_schema(schema)
        return list(Draft202012Validator(schema).iter_errors(value))
    except (SchemaError, RecursionError):
        return []


def _mended(value: Any, path: list[str | int], error: ValidationError) -> Any:
    if not path:
        return value
    inner: Any = value
    for part in path[:-1]:
        inner = inner[part]
    part_schema = cast("Mapping[str, Any]", error.schema if isinstance(error.schema, Mapping) else {})
    current = inner[path[-1]]
    if error.validator == "uniqueItems" and isinstance(current, list):
        items = cast("list[Any]", current)
        inner[path[-1]] = [item for place, item in enumerate(items) if item not in items[:place]]
    elif "examples" in part_schema or "default" in part_schema:
        inner[path[-1]] = part_schema.get("default", (part_schema.get("examples") or [current])[0])
    return value


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
