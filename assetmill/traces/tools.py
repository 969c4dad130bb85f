"""The tools that a response used, as its items name them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, NamedTuple, cast

_NAME_CHARS = 64


class ToolUse(NamedTuple):
    """One tool in one response. `is_ours`: it was carried out here, once the response had come."""

    name: str
    kind: Literal["function", "extension", "datastore"]
    call_id: str
    status: str
    is_ours: bool


def tools_in(body: Mapping[str, Any], offered: Collection[str]) -> Iterator[ToolUse]:
    """Yield the tools of a response; `offered` are the functions that its agent has."""
    items = body.get("output")
    for item in cast("list[Any]", items) if isinstance(items, list) else ():
        if isinstance(item, dict) and str(cast("dict[str, Any]", item).get("type")).endswith("_call"):
            yield _use(cast("dict[str, Any]", item), offered)


def _use(item: Mapping[str, Any], offered: Collection[str]) -> ToolUse:
    kind = str(item["type"])
    status = str(item.get("status") or "")
    call_id = str(item.get("call_id") or item.get("id") or "")
    if kind == "function_call":
        # A model may call what nobody has offered, by any words that it likes.
        name = str(item.get("name"))
        return ToolUse(name if name in offered else "unknown", "function", call_id, status, is_ours=True)
    if kind == "mcp_call":
        failed = "failed" if item.get("error") else status
        name = str(item.get("name") or "mcp")[:_NAME_CHARS]
        return ToolUse(name, "extension", call_id, failed, is_ours=False)
    name = kind.removesuffix("_call")
    if kind == "computer_call":
        return ToolUse(name, "function", call_id, status, is_ours=True)
    reads = "datastore" if kind == "file_search_call" else "extension"
    return ToolUse(name, reads, call_id, status, is_ours=False)
