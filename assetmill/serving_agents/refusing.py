"""What is told of arguments that a tool cannot be called with: the SDK's words are for who wrote the tool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

BUDGET = "budget_usd"
_SHOWN_CHARS = 60
_UNBEGUN = "Nothing was begun and nothing spent."


def unfit(tool: str, schema: Mapping[str, Any], error: ValidationError) -> str:
    """Return what is wrong with the arguments of a call, why, and what to write."""
    fields: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    found = {str(fault["loc"][0]): fault for fault in error.errors(include_url=False) if fault["loc"]}
    missing = [name for name, fault in found.items() if fault["type"] == "missing" and name != BUDGET]
    told = [_no_ceiling(tool, found[BUDGET])] if BUDGET in found else []
    if missing:
        wanted = ", ".join(_described(name, fields) for name in missing)
        told.append(f"`{tool}` cannot do without {wanted}.")
    wrong = {name: fault for name, fault in found.items() if name not in missing and name != BUDGET}
    told += [
        f"{name} of `{tool}` is {_shown(fault['input'])}: {fault['msg'][:1].lower()}{fault['msg'][1:]}. "
        f"Give {_described(name, fields)}."
        for name, fault in wrong.items()
    ]
    return " ".join([*told, _UNBEGUN])


def _no_ceiling(tool: str, fault: Mapping[str, Any]) -> str:
    given = "" if fault["type"] == "missing" else f", and {_shown(fault['input'])} is none"
    return (
        f"`{tool}` spends money and is begun only under a ceiling{given}: give {BUDGET}, the most that this "
        "call may spend in US dollars, a number above 0 such as 0.50."
    )


def _described(name: str, fields: Mapping[str, Mapping[str, Any]]) -> str:
    """Return an argument with its type and meaning, as far as the schema has them."""
    field = fields.get(name, {})
    kinds = [field, *field.get("anyOf", ())]
    types = [str(kind["type"]) for kind in kinds if kind.get("type") not in (None, "null")]
    meaning = str(field.get("description", "")).partition(". ")[0].rstrip(".")
    return f"{name} ({' or '.join(types) or 'any value'}{f': {meaning}' if meaning else ''})"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
