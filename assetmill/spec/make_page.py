"""The tables of docs/make.md: every operation of local stages with its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel

from assetmill.spec.gathering import (
    AnimationSpec,
    AtlasSpec,
    NineSliceCheck,
    PageSpec,
    SheetSpec,
    SrcsetSpec,
    TileCheck,
)
from assetmill.spec.layers import LayerSpec, OutlineSpec, PlateSpec, ShadowSpec
from assetmill.spec.making import MakeSpec, MatteSpec

_TABLES: Mapping[str, type[BaseModel]] = {
    "An entry": MakeSpec, "A layer": LayerSpec, "`matte`": MatteSpec, "`outline`": OutlineSpec,
    "`shadow`": ShadowSpec, "`plate`": PlateSpec, "`sheet`": SheetSpec, "`animation`": AnimationSpec,
    "`atlas`": AtlasSpec, "`srcset`": SrcsetSpec, "`pdf`": PageSpec, "`tile`": TileCheck,
    "`nine_slice`": NineSliceCheck,
}  # fmt: skip


def tables() -> str:
    """Return every table, as docs/make.md has them."""
    return "\n".join(line for title, model in _TABLES.items() for line in _table(title, model))


def _table(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield from (f"### {title}", "", "| Key | Takes | Default | Means |", "|---|---|---|---|")
    schema = model.model_json_schema(by_alias=True)
    for key, part in cast(dict[str, dict[str, Any]], schema["properties"]).items():
        default = part.get("default")
        shown = "" if default is None else f"`{_plain(default)}`"
        yield f"| `{key}` | {_takes(part)} | {shown} | {part.get('description', '')} |"
    yield ""


def _takes(part: Mapping[str, Any]) -> str:
    """Return in words what a key takes."""
    if "anyOf" in part:
        found = [
            _takes(one) for one in cast(list[dict[str, Any]], part["anyOf"]) if one.get("type") != "null"
        ]
        # A number in place of a text is a text that was written without quotes.
        return "text" if set(found) == {"text", "number"} else " or ".join(dict.fromkeys(found))
    if "enum" in part or "const" in part:
        words = part.get("enum") or [part["const"]]
        return ", ".join(f"`{_plain(word)}`" for word in cast(list[Any], words))
    if "$ref" in part:
        return "see below"
    if part.get("type") == "array":
        return f"list of {_takes(cast(dict[str, Any], part.get('items') or {}))}"
    names = {"string": "text", "integer": "number", "number": "number", "boolean": "`true` or `false`"}
    return names.get(str(part.get("type")), "text") + _bounds(part)


def _bounds(part: Mapping[str, Any]) -> str:
    low = part.get("minimum", part.get("exclusiveMinimum"))
    high = part.get("maximum", part.get("exclusiveMaximum"))
    return "" if low is None or high is None else f" from {low:g} to {high:g}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(map(str, cast(list[object], value)))
    return str(value)
