"""Checks tool definitions and fills in the defaults that the service echoes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from foundry_emulator.boundary.errors import WireError, invalid
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.dialects import Dialect
from foundry_emulator.jsons import Json

_SIZE = re.compile(r"auto|[1-9]\d{1,4}x[1-9]\d{1,4}")
_FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEPRECATED = ("name", "description", "tool_configs")
TOOL_LIMIT = 128


def filled_tools(raw: list[Fields], dialect: Dialect) -> list[Json]:
    """Check the tools of a request or an agent and fill in their defaults.

    Raises:
        WireError: 400, naming the field; tool types that the emulator does not do are refused by name.
    """
    if len(raw) > TOOL_LIMIT:
        raise invalid(f"Too many tools: at most {TOOL_LIMIT}.", "tools", "tool_limit_exceeded")
    return [_filled(tool, dialect) for tool in raw]


def _filled(tool: Fields, dialect: Dialect) -> Json:
    return _FILLERS[check_type(tool)](tool, dialect)


def check_type(tool: Fields) -> str:
    """Return the type of a tool that can be run.

    Raises:
        WireError: 400, naming the tool, for types that the emulator does not do.
    """
    kind = tool.need_text("type")
    if kind not in _FILLERS:
        raise WireError(
            400,
            "tool_not_emulated",
            f"The assetmill emulator does not implement the tool type '{kind[:80]}'. "
            f"It has: {', '.join(_FILLERS)}.",
            param=tool.path("type"),
        )
    return kind


def check_runnable(tool: Fields) -> None:
    """Check what can be known of a tool before its placeholders are filled: at the making of an agent.

    Raises:
        WireError: 400, naming the tool, for what no turn could carry out.
    """
    kind = check_type(tool)
    if kind == "image_generation":
        _check_format(tool.raw.get("output_format"), tool)
    if kind == "mcp" and not tool.raw.get("server_url"):
        by = "connector_id" if tool.raw.get("connector_id") else "project_connection_id"
        raise WireError(
            400,
            "tool_not_emulated",
            f"The assetmill emulator reaches a tool of type 'mcp' by its 'server_url' alone, not by '{by}'.",
            param=tool.path("server_url"),
        )


def _check_format(output_format: object, tool: Fields) -> None:
    if output_format in ("gif", "svg"):
        message = f"The assetmill emulator does not draw {output_format}: use png, webp or jpeg."
        raise WireError(400, "operation_not_emulated", message, param=tool.path("output_format"))


def _image(tool: Fields, dialect: Dialect) -> Json:
    tool.only(*_IMAGE_FIELDS, *_DEPRECATED)
    size = tool.text("size")
    if size is not None and not _SIZE.fullmatch(size):
        raise invalid(f"Invalid size '{size[:40]}'. Use WIDTHxHEIGHT or 'auto'.", tool.path("size"))
    mask = tool.fields("input_image_mask")
    if mask is not None:
        mask.only("image_url", "file_id")
        mask.text("image_url")
        mask.text("file_id")
    filled: Json = {
        "type": "image_generation",
        "action": tool.choice("action", ("generate", "edit", "auto")) or "auto",
        "background": tool.choice("background", ("transparent", "opaque", "auto")) or "auto",
        "model": tool.text("model"),
        "moderation": tool.choice("moderation", ("auto", "low")) or "auto",
        "output_compression": tool.integer("output_compression", 0, 100),
        "output_format": tool.choice("output_format", ("png", "webp", "jpeg", "gif", "svg")) or "png",
        "partial_images": tool.integer("partial_images", 0, 3) or 0,
        "quality": tool.choice("quality", ("low", "medium", "high", "xhigh", "max", "auto")) or "auto",
        "size": size or "auto",
    }
    if filled["output_compression"] is None:
        filled["output_compression"] = 100
    _check_format(filled["output_format"], tool)
    if fidelity := tool.choice("input_fidelity", ("high", "low")):
        filled["input_fidelity"] = fidelity
    if complexity := tool.choice("complexity", ("low", "medium", "high")):
        filled["complexity"] = complexity
    if mask is not None:
        filled["input_image_mask"] = mask.raw
    if dialect.is_azure:
        filled["n"] = 1
    return filled


_IMAGE_FIELDS = (
    "type",
    "action",
    "background",
    "model",
    "complexity",
    "moderation",
    "n",
    "output_compression",
    "output_format",
    "partial_images",
    "quality",
    "size",
    "input_fidelity",
    "input_image_mask",
)


def _file_search(tool: Fields, dialect: Dialect) -> Json:
    del dialect
    tool.only("type", "vector_store_ids", "filters", "max_num_results", "ranking_options", *_DEPRECATED)
    tool.need("vector_store_ids")
    ranking = tool.fields("ranking_options") or Fields({})
    filters = tool.fields("filters")
    return {
        "type": "file_search",
        "vector_store_ids": tool.texts("vector_store_ids"),
        "filters": checked_filters(filters) if filters else None,
        "max_num_results": tool.integer("max_num_results", 1, 50) or 20,
        "ranking_options": {
            "ranker": ranking.choice("ranker", ("auto", "default-2024-11-15")) or "auto",
            "score_threshold": ranking.number("score_threshold", 0, 1) or 0.0,
        },
    }


def checked_filters(filters: Fields, depth: int = 0) -> Json:
    """Check attribute filters: comparisons, and `and`/`or` of them up to five deep."""
    kind = filters.choice("type", ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "and", "or"))
    if kind is None:
        raise invalid(f"Missing required parameter: '{filters.path('type')}'.", filters.path("type"))
    if kind in ("and", "or"):
        inner = filters.objects("filters")
        if inner is None or depth >= 5:
            raise invalid(f"Invalid '{filters.path('filters')}'.", filters.path("filters"))
        return {"type": kind, "filters": [checked_filters(one, depth + 1) for one in inner]}
    value = filters.need("value")
    if isinstance(value, dict) or (kind in ("in", "nin")) != isinstance(value, list):
        raise filters.wrong_type(
            "value", "an array" if kind in ("in", "nin") else "a string, number or boolean"
        )
    return {"type": kind, "key": filters.need_text("key"), "value": value}


def _code_interpreter(tool: Fields, dialect: Dialect) -> Json:
    del dialect
    tool.only("type", "container", "allowed_callers", *_DEPRECATED)
    if isinstance(tool.raw.get("container"), str):
        return {"type": "code_interpreter", "container": tool.need_text("container")}
    container = tool.fields("container") or Fields({"type": "auto"}, tool.path("container"))
    container.only("type", "file_ids", "memory_limit", "network_policy")
    container.choice("type", ("auto",))
    filled: Json = {"type": "auto", "file_ids": [f for f in container.texts("file_ids") or [] if f]}
    if limit := container.choice("memory_limit", ("1g", "4g", "16g", "64g")):
        filled["memory_limit"] = limit
    return {"type": "code_interpreter", "container": filled}


def _function(tool: Fields, dialect: Dialect) -> Json:
    del dialect
    tool.only("type", "name", "parameters", "strict", "description")
    name = tool.need_text("name")
    if not _FUNCTION_NAME.fullmatch(name):
        raise invalid(
            f"Invalid '{tool.path('name')}': letters, digits, _ and -, at most 64.", tool.path("name")
        )
    parameters = tool.fields("parameters")
    strict = tool.boolean("strict")
    return {
        "type": "function",
        "name": name,
        "description": tool.text("description"),
        "parameters": parameters.raw if parameters else {"type": "object", "properties": {}},
        "strict": True if strict is None else strict,
    }


def _mcp(tool: Fields, dialect: Dialect) -> Json:
    del dialect
    tool.only(
        *("type", "server_label", "server_url", "server_description", "headers", "authorization"),
        *("allowed_tools", "require_approval", "project_connection_id", "connector_id", *_DEPRECATED),
    )
    allowed, approval = tool.raw.get("allowed_tools"), tool.raw.get("require_approval")
    if isinstance(allowed, list):
        tool.texts("allowed_tools")
    elif (names := tool.fields("allowed_tools")) is not None:
        names.only("tool_names", "read_only")
        names.texts("tool_names")
    if isinstance(approval, str):
        tool.choice("require_approval", ("always", "never"))
    elif (policy := tool.fields("require_approval")) is not None:
        policy.only("always", "never")
        for side in (policy.fields("always"), policy.fields("never")):
            if side is not None:
                side.only("tool_names", "read_only")
                side.texts("tool_names")
    headers = tool.fields("headers")
    for name in headers.raw if headers else ():
        if headers is not None and headers.text(name) is None:
            raise headers.wrong_type(name, "a string")
    return {
        "type": "mcp",
        "server_label": tool.need_text("server_label", max_length=64),
        "server_url": tool.text("server_url"),
        "server_description": tool.text("server_description"),
        "headers": headers.raw if headers else None,
        "authorization": tool.text("authorization"),
        "allowed_tools": allowed,
        "require_approval": approval or "always",
    }


def _computer(tool: Fields, dialect: Dialect) -> Json:
    del dialect
    if tool.raw["type"] == "computer":
        return {"type": "computer"}
    return {
        "type": "computer_use_preview",
        "display_width": tool.integer("display_width", 1, 10_000) or 1024,
        "display_height": tool.integer("display_height", 1, 10_000) or 768,
        "environment": tool.choice("environment", ("windows", "mac", "linux", "ubuntu", "browser"))
        or "browser",
    }


_FILLERS: dict[str, Callable[[Fields, Dialect], Json]] = {
    "image_generation": _image,
    "file_search": _file_search,
    "code_interpreter": _code_interpreter,
    "function": _function,
    "mcp": _mcp,
    "computer_use_preview": _computer,
    "computer": _computer,
}
TOOL_TYPES = tuple(_FILLERS)


def echoed(tool: Mapping[str, Any]) -> Json:
    """Return a tool as responses show it: secrets of MCP servers are left out."""
    if tool["type"] != "mcp":
        return dict(tool)
    shown = {key: value for key, value in tool.items() if key != "authorization"}
    shown["headers"] = dict.fromkeys(tool["headers"], "<redacted>") if tool.get("headers") else None
    return shown
