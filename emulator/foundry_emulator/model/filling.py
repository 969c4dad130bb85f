"""Values for a JSON schema, taken from what a turn says: arguments of functions, fields of documents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from foundry_emulator.model.phrasing import CALENDAR, Clues, Schema, text_for
from foundry_emulator.model.words import capitalised, has, likeness, numbers, quoted, shorten
from foundry_emulator.stems import word_set, words

MAX_DEPTH = 12
"""Schemas that refer to themselves are followed this far."""

_DECIDED = {"enum", "const", "anyOf", "oneOf", "allOf"}

_PEOPLE = word_set("participant attendee person people guest member author speaker name")
_SYNONYMS = {
    "add": ("plus", "sum", r"\+", "added"), "subtract": ("minus", "less", "subtracted"),
    "multiply": ("times", "multiplied", "product", r"\*"), "divide": ("divided", "over", "/"),
    "celsius": ("c", "metric"), "fahrenheit": ("f", "imperial"), "high": ("urgent", "important"),
}  # fmt: skip


def fill(schema: Schema, clues: Clues, *, name: str = "", every: bool = True, depth: int = 0) -> Any:
    """Return a value that the schema allows, taken from the clues as far as they go.

    With `every` unset, optional properties are filled only where the request speaks of them.
    """
    schema = _resolved(_as_schema(schema), clues.root)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return _option(cast("list[Any]", schema["enum"]), clues)
    branch = _branch(schema) if depth < MAX_DEPTH else None
    if branch is not None:
        return fill(branch, clues, name=name, every=every, depth=depth + 1)
    return _plain(schema, clues, name=name, every=every, depth=depth)


def _plain(schema: Schema, clues: Clues, *, name: str, every: bool, depth: int) -> Any:
    match _kind(schema):
        case "object":
            value: Any = _object(schema, clues, every=every, depth=depth)
        case "array":
            value = _array(schema, clues, name=name, every=every, depth=depth)
        case "integer" | "number":
            value = _number(schema, clues, name)
        case "boolean":
            # Of a question that a judge is asked nothing was said: a good mark, as for numbers.
            is_asked = str(schema.get("description", "")).rstrip().endswith("?")
            value = is_asked or _boolean(name, clues)
        case "null":
            value = None
        case _:
            value = _string(schema, clues, name)
    return value


def _as_schema(value: object) -> Schema:
    # `true` is a schema too, and allows everything.
    return cast("Schema", value) if isinstance(value, Mapping) else {}


def _resolved(schema: Schema, root: Schema) -> Schema:
    for _ in range(MAX_DEPTH):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#"):
            return schema
        target: Any = root
        for part in reference.lstrip("#/").split("/") if len(reference) > 1 else []:
            target = (
                cast("Schema", target).get(part.replace("~1", "/").replace("~0", "~"))
                if isinstance(target, Mapping)
                else None
            )
        schema = cast("Schema", target) if isinstance(target, Mapping) else {}
    return {}


def _branch(schema: Schema) -> Schema | None:
    """Return the one schema to follow of several: the first that is not null, or all of them together."""
    key = next(
        (key for key in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(key), list) and schema[key]),
        None,
    )
    if key is None:
        return None
    parts = [cast("Schema", part) for part in cast("list[Any]", schema[key]) if isinstance(part, Mapping)]
    if key == "allOf":
        return {name: value for part in parts for name, value in part.items()}
    return next((part for part in parts if part.get("type") != "null"), parts[0] if parts else {})


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = [str(one) for one in cast("list[Any]", kind)]
        return next((one for one in kinds if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _option(options: Sequence[Any], clues: Clues) -> Any:
    for text in (clues.text, clues.prose, clues.context):
        for option in options:
            said = (
                re.escape(str(option).replace("_", " ")),
                re.escape(str(option)),
                *_SYNONYMS.get(str(option).lower(), ()),
            )
            if any(re.search(rf"(?<!\w){one}(?!\w)", text, re.IGNORECASE) for one in said):
                return option
    return options[0]


def _object(schema: Schema, clues: Clues, *, every: bool, depth: int) -> dict[str, Any]:
    properties = cast("Mapping[str, Schema]", schema.get("properties") or {})
    required = set(cast("Sequence[str]", schema.get("required") or ()))
    found: dict[str, Any] = {}
    used = 0
    for name, part in properties.items():
        if depth >= MAX_DEPTH or (
            name not in required and not (every and depth < 4) and not _is_spoken_of(name, part, clues)
        ):
            continue
        value = fill(part, _after(clues, used, part), name=name, every=every, depth=depth + 1)
        used += _kind(part) in {"integer", "number"} and name not in clues.facts
        found[name] = value
    return found


def _after(clues: Clues, used: int, part: Schema) -> Clues:
    """Leave out the first `used` numbers of the request, which earlier properties took."""
    if not used or _kind(part) not in {"integer", "number"}:
        return clues
    left = numbers(clues.text)[used:]
    return Clues(
        " ".join(f"{value:g}" for value in left), clues.context, clues.prose, clues.facts, clues.root
    )


def _is_spoken_of(name: str, part: Schema, clues: Clues) -> bool:
    if set(words(name)) & set(words(clues.text)):
        return True
    return any(
        has(clues.text, re.escape(str(option))) for option in cast("list[Any]", part.get("enum") or [])
    )


def _array(schema: Schema, clues: Clues, *, name: str, every: bool, depth: int) -> list[Any]:
    items = _resolved(_as_schema(schema.get("items", {"type": "string"})), clues.root)
    least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", 50))
    kind = None if items.keys() & _DECIDED else _kind(items)
    if kind == "string":
        found: list[Any] = [_bounded(items, value, clues) for value in _strings(name, clues)]
    elif kind in {"integer", "number"}:
        found = [_clamped(items, value) for value in numbers(clues.text)]
    else:
        count = max(1, least) if depth < MAX_DEPTH else least
        found = [fill(items, clues, name=name, every=every, depth=depth + 1) for _ in range(count)]
    while len(found) < least and depth < MAX_DEPTH:
        found.append(fill(items, clues, name=name, every=every, depth=depth + 1))
    return found[: max(most, least)]


def _strings(name: str, clues: Clues) -> list[str]:
    if quoted(clues.text):
        return list(quoted(clues.text))
    colours = re.findall(r"#[0-9a-fA-F]{6}\b", f"{clues.text} {clues.prose} {clues.context}")
    if has(name, "colou?rs?", "palette", "hex") and colours:
        return list(dict.fromkeys(colours))
    names = [one for one in capitalised(clues.text) if one not in CALENDAR]
    if set(words(name)) & _PEOPLE or has(name, "cities", "places", "names"):
        return list(names) or [shorten(clues.text, 80)]
    listed = re.search(r":\s*([^.;\n]+(?:,| and )[^.;\n]+)", clues.text)
    if listed:
        return [
            part.strip() for part in re.split(r",\s*(?:and\s+)?|\s+and\s+", listed.group(1)) if part.strip()
        ]
    parts = [part.strip() for part in clues.prose.split("; ") if part.strip()]
    return list(parts[:5] or names[:5] or [shorten(clues.text, 80) or "none"])


def _number(schema: Schema, clues: Clues, name: str) -> float | int:
    low, high = _bounds(schema)
    said = numbers(clues.text)
    value = _fact(name, clues)
    if value is None and low is not None and high is not None and not said:
        # Nothing was said of it: a judge's good mark.
        value = low + 0.8 * (high - low)
    if value is None:
        fitting = [one for one in said if (low is None or one >= low) and (high is None or one <= high)]
        value = fitting[0] if fitting else float(schema.get("default") or 0)
    return _clamped(schema, value)


def _bounds(schema: Schema) -> tuple[float | None, float | None]:
    low, high = schema.get("minimum"), schema.get("maximum")
    over, under = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    low = low if over is None else over + 1
    high = high if under is None else under - 1
    return (None if low is None else float(low)), (None if high is None else float(high))


def _clamped(schema: Schema, value: float) -> float | int:
    low, high = _bounds(schema)
    value = value if low is None else max(value, low)
    value = value if high is None else min(value, high)
    step = schema.get("multipleOf")
    value = round(value / step) * step if step else value
    return round(value) if _kind(schema) == "integer" or float(value).is_integer() else value


def _fact(name: str, clues: Clues) -> float | None:
    best = max(clues.facts, key=lambda fact: likeness(fact, name), default=None)
    if best is not None and likeness(best, name) >= 0.7:
        return clues.facts[best]
    match = re.search(
        rf"\b{re.escape(name.replace('_', ' '))}\W{{0,4}}(?:of |is |to |= ?)?(-?[\d,]+(?:\.\d+)?)",
        clues.text,
        re.IGNORECASE,
    )
    return numbers(match.group(1))[0] if match and numbers(match.group(1)) else None


def _boolean(name: str, clues: Clues) -> bool:
    said = words(name)
    if said and said[0] in {"is", "has"} and len(said) > 1:
        said = said[1:]
    negated = re.search(
        rf"\b(?:no|not|without|never|isn't)\s+(?:\w+\s)?{re.escape(said[0] if said else name)}",
        clues.text,
        re.IGNORECASE,
    )
    good = {
        "pass",
        "passed",
        "ok",
        "valid",
        "approved",
        "success",
        "acceptable",
        "match",
        "matches",
        "correct",
    }
    return not negated and bool(set(said) & (set(words(clues.text)) | good))


def _string(schema: Schema, clues: Clues, name: str) -> str:
    value = text_for(name, schema, clues) or shorten(clues.prose or clues.text, 200) or "none"
    return _bounded(schema, value, clues)


def _bounded(schema: Schema, value: str, clues: Clues) -> str:
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    value = value + "." * (least - len(value))
    value = value[: int(most)] if most is not None else value
    pattern = schema.get("pattern")
    return _patterned(pattern, value, clues) if isinstance(pattern, str) else value


def _patterned(pattern: str, value: str, clues: Clues) -> str:
    try:
        if re.search(pattern, value):
            return value
        found = re.search(pattern.lstrip("^").rstrip("$"), f"{clues.text} {clues.prose}")
    except re.error:
        return value
    if found and re.search(pattern, found.group(0)):
        return found.group(0)
    samples = (
        "#336699",
        "A1",
        "abc",
        "ABC",
        "a-b",
        "2025-01-01",
        "1",
        "001",
        "1.0",
        "1.0.0",
        "https://example.com",
        "a@example.com",
    )
    return next((sample for sample in samples if re.search(pattern, sample)), value)
