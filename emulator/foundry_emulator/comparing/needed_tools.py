"""The tools without which recorded items could not have been made, and what was there to be searched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from foundry_emulator.jsons import Json, as_list, as_object

_STORE = "vs_" + "0" * 24
_NOTES = "Widgets and gadgets, by quarter."


def needed_tools(items: Sequence[Json]) -> Iterator[Json]:
    """Yield one tool of each type that made one of these items."""
    seen: set[str] = set()
    for item in items:
        make = _TOOLS.get(str(item.get("type")))
        tool = make(item, items) if make else None
        if tool is not None and tool["type"] not in seen:
            seen.add(str(tool["type"]))
            yield tool


def searched_text(items: Sequence[Json]) -> bytes:
    """Return a text in which the recorded searches find what they were looking for."""
    searches = [item for item in items if item.get("type") == "file_search_call"]
    asked = [str(query) for search in searches for query in as_list(search.get("queries"))]
    found = [as_object(one).get("text") for search in searches for one in as_list(search.get("results"))]
    return "\n\n".join([_NOTES, *asked, *(str(text) for text in found if text)]).encode()


def _function(item: Json, items: Sequence[Json]) -> Json:
    del items
    parameters: Json = {"type": "object", "properties": {}}
    return {"type": "function", "name": str(item.get("name")), "parameters": parameters, "strict": False}


def _server(item: Json, items: Sequence[Json]) -> Json:
    asks = any(one.get("type") == "mcp_approval_request" or one.get("approval_request_id") for one in items)
    return {
        "type": "mcp",
        "server_label": str(item.get("server_label")),
        "server_url": "https://tools.example/mcp",
        "require_approval": "always" if asks else "never",
    }


def _image(item: Json, items: Sequence[Json]) -> Json:
    del items
    shape = ("quality", "size", "output_format", "background")
    return {"type": "image_generation", **{key: item[key] for key in shape if item.get(key)}}


def _computer(item: Json, items: Sequence[Json]) -> Json:
    del item, items
    shape = {"display_width": 1024, "display_height": 768, "environment": "browser"}
    return {"type": "computer_use_preview", **shape}


_TOOLS: dict[str, Callable[[Json, Sequence[Json]], Json]] = {
    "function_call": _function,
    "image_generation_call": _image,
    "code_interpreter_call": lambda item, items: {"type": "code_interpreter", "container": {"type": "auto"}},
    "file_search_call": lambda item, items: {"type": "file_search", "vector_store_ids": [_STORE]},
    "mcp_list_tools": _server,
    "mcp_approval_request": _server,
    "mcp_call": _server,
    "computer_call": _computer,
}
