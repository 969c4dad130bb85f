"""Which of a stage's tools failed at the service, whatever the agent made of it in words.

An agent writes a polite answer around a server that could not be reached. Without this, that answer would be
the stage's result, and reused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from assetmill.spec.tools import ENGINE_KEY

Json = Mapping[str, Any]

_SERVERS = frozenset({"mcp_list_tools", "mcp_call"})
_CALLS = {"code_interpreter_call": "code_interpreter", "file_search_call": "file_search"}
_FAILED = frozenset({"failed", "incomplete"})


def failed_tools(bodies: Iterable[Json], tools: Sequence[Json]) -> tuple[str, ...]:
    """Say of each tool whose last call in these responses failed what it was, unless it is optional.

    The last call counts: an agent that tried again and succeeded has overcome the failure.
    """
    optional = {_declared(tool) for tool in tools if tool.get(ENGINE_KEY, {}).get("optional")}
    last: dict[tuple[str, str], str] = {}
    for body in bodies:
        for item in _items(body):
            if (tool := _used(item)) and tool not in optional:
                last[tool] = _fault(item)
    return tuple(
        f"tool {kind}{f' {label!r}' if label else ''} failed: {fault}"
        for (kind, label), fault in last.items()
        if fault
    )


def _declared(tool: Json) -> tuple[str, str]:
    return str(tool["type"]), str(tool.get("server_label") or "")


def _used(item: Json) -> tuple[str, str] | None:
    kind = str(item.get("type"))
    if kind in _SERVERS:
        return "mcp", str(item.get("server_label") or "")
    return (_CALLS[kind], "") if kind in _CALLS else None


def _fault(item: Json) -> str:
    """Say what is wrong with a tool's call, "" when nothing is."""
    if item.get("error"):
        doing = "it could not list its tools" if item["type"] == "mcp_list_tools" else _call(item)
        return f"{doing}: {_words(item['error'])}"
    if str(item.get("status")) in _FAILED:
        return f"{_call(item)} ended {item['status']}"
    if item["type"] == "mcp_list_tools" and not item.get("tools"):
        return "it offers no tools, or none of those that are allowed"
    return ""


def _call(item: Json) -> str:
    return f"the call of {item['name']!r}" if item.get("name") else "its call"


def _words(error: object) -> str:
    """Return an error as the service words it: a text, or one of several objects that hold one."""
    if not isinstance(error, Mapping):
        return " ".join(str(error).split())[:400]
    found = cast(Json, error)
    if found.get("message"):
        code = f" ({found['code']})" if found.get("code") else ""
        return " ".join(str(found["message"]).split())[:400] + code
    content = found.get("content")
    parts = cast(list[object], content) if isinstance(content, list) else []
    texts = [str(cast(Json, part).get("text") or "") for part in parts if isinstance(part, Mapping)]
    return " ".join(" ".join(texts).split())[:400] or json.dumps(dict(found), ensure_ascii=False)[:400]


def _items(body: Json) -> Iterator[Json]:
    found = body.get("output")
    for item in cast(list[object], found) if isinstance(found, list) else ():
        if isinstance(item, Mapping):
            yield cast(Json, item)
