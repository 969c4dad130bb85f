"""Reads input items as clients send them and brings them into the form in which they are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from foundry_emulator import ids
from foundry_emulator.boundary.errors import WireError, invalid
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.jsons import Json
from foundry_emulator.state import State

ROLES = ("user", "assistant", "system", "developer")
_TEXT_LIMIT = 10_485_760


class ItemReader:
    """Normalises items for one partition; large texts move out of the documents into the state."""

    def __init__(
        self,
        state: State,
        partition: str,
        find: Callable[[str], Json | None],
        *,
        longest_data_url: int = 0,
    ) -> None:
        self._state = state
        self._longest_data_url = longest_data_url
        self._partition = partition
        self._find = find

    def read(self, value: object) -> list[Json]:
        """Read the `input` of a response: a string or an array of items.

        Raises:
            WireError: 400 where an item does not fit; 404 where a referenced item is not stored.
        """
        if value is None:
            return []
        if isinstance(value, str):
            return [self._message(Fields({"role": "user", "content": value}, "input[0]"))]
        root = Fields({"input": value})
        entries = root.items("input")
        return [self.item(root.element("input", i, entry)) for i, entry in enumerate(entries or [])]

    def item(self, raw: Fields) -> Json:
        """Read one item."""
        kind = raw.text("type") or ("message" if "role" in raw.raw else "item_reference")
        reader = self._readers().get(kind)
        if reader is None:
            message = f"Invalid value: '{kind[:80]}'. Supported values are: {', '.join(self._readers())}."
            raise invalid(message, raw.path("type"), "invalid_value")
        return reader(raw)

    def _readers(self) -> dict[str, Callable[[Fields], Json]]:
        return {
            "message": self._message,
            "item_reference": self._reference,
            "function_call": self._function_call,
            "function_call_output": self._function_output,
            "mcp_approval_response": self._approval,
            "mcp_approval_request": self._echo("server_label", "name", "arguments"),
            "computer_call_output": self._computer_output,
            "computer_call": self._computer_call,
            "image_generation_call": self._image_call,
            "reasoning": self._reasoning,
            "file_search_call": self._stored_echo,
            "code_interpreter_call": self._stored_echo,
            "mcp_call": self._echo("server_label", "name", "arguments"),
            "mcp_list_tools": self._mcp_tools,
        }

    def _new(self, raw: Fields, kind: str, **fields: Any) -> Json:
        # Clients send items back with their IDs; one that another conversation has may not be taken over.
        raw.text("id", max_length=128)
        return {"id": ids.item_id(kind, self._partition), "type": kind, **fields}

    def _message(self, raw: Fields) -> Json:
        role = raw.choice("role", ROLES)
        if role is None:
            raise invalid(
                f"Missing required parameter: '{raw.path('role')}'.",
                raw.path("role"),
                "missing_required_parameter",
            )
        raw.need("content")
        content = raw.raw["content"]
        text_type = "output_text" if role == "assistant" else "input_text"
        item = self._new(raw, "message", status="completed", role=role)
        if isinstance(content, str):
            parts = [_text_part(text_type, raw.text("content", max_length=_TEXT_LIMIT) or "")]
        else:
            entries = raw.items("content") or []
            parts = [
                self._part(raw.element("content", i, one), text_type, f"{item['id']}.{i}")
                for i, one in enumerate(entries)
            ]
        return {**item, "content": parts}

    def _part(self, part: Fields, text_type: str, name: str) -> Json:
        kind = part.choice(
            "type", ("input_text", "output_text", "text", "refusal", "input_image", "input_file")
        )
        if kind in ("input_text", "output_text", "text"):
            part.need("text")
            return _text_part(text_type, part.text("text", max_length=_TEXT_LIMIT) or "")
        if kind == "refusal":
            return {"type": "refusal", "refusal": part.need_text("refusal")}
        if kind == "input_image":
            return self._image(part, name)
        if kind == "input_file":
            return self._file(part, name)
        raise invalid(
            f"Missing required parameter: '{part.path('type')}'.",
            part.path("type"),
            "missing_required_parameter",
        )

    def _image(self, part: Fields, name: str) -> Json:
        url, file_id = part.text("image_url"), part.text("file_id")
        if (url is None) == (file_id is None):
            message = "Exactly one of 'image_url' and 'file_id' has to be given."
            raise invalid(message, part.path("image_url"), "invalid_image")
        if url is not None and not url.startswith("data:") and "://" not in url:
            where = part.path("image_url")
            message = f"Invalid '{where}'. Expected a valid URL, but got a value with an invalid format."
            raise invalid(message, where)
        if url is not None and not url.startswith("data:image/"):
            message = "The emulator fetches nothing: send the picture as a data URL or by file ID."
            raise invalid(message, part.path("image_url"), "invalid_image_url")
        if url is not None and 0 < self._longest_data_url < len(url):
            message = f"{part.path('image_url')} is not a valid absolute URI"
            raise WireError(400, "invalid_payload", message, param=part.path("image_url"), layer="foundry")
        return {
            "type": "input_image",
            "detail": part.choice("detail", ("low", "high", "auto", "original")) or "auto",
            "file_id": file_id,
            "image_url": None if url is None else self._state.outsource(url, name),
        }

    def _file(self, part: Fields, name: str) -> Json:
        data, file_id, url = part.text("file_data"), part.text("file_id"), part.text("file_url")
        if url is not None:
            message = "The emulator fetches nothing: upload the file or send it as file_data."
            raise invalid(message, part.path("file_url"), "invalid_file_url")
        if (data is None) == (file_id is None):
            raise invalid("Exactly one of 'file_data' and 'file_id' has to be given.", part.path("file_id"))
        return {
            "type": "input_file",
            "file_id": file_id,
            "filename": part.text("filename", max_length=255),
            "file_data": None if data is None else self._state.outsource(data, name),
        }

    def _reference(self, raw: Fields) -> Json:
        return self._stored(raw)

    def _stored(self, raw: Fields) -> Json:
        item_id = raw.need_text("id")
        known = self._find(item_id)
        if known is None:
            raise WireError(
                404, "not_found", f"Item with id '{item_id[:80]}' not found.", param=raw.path("id")
            )
        return known

    def _stored_echo(self, raw: Fields) -> Json:
        if raw.has("id") and (known := self._find(raw.need_text("id"))) is not None:
            return known
        kind = raw.need_text("type")
        if kind == "file_search_call":
            queries = raw.texts("queries") or []
            return self._new(raw, kind, status="completed", queries=queries, results=None)
        fields = {"code": raw.text("code") or "", "container_id": raw.text("container_id") or ""}
        return self._new(raw, kind, status="completed", outputs=None, **fields)

    def _function_call(self, raw: Fields) -> Json:
        fields = {"call_id": raw.need_text("call_id"), "name": raw.need_text("name", max_length=128)}
        raw.need("arguments")
        return self._new(raw, "function_call", status="completed", arguments=raw.text("arguments"), **fields)

    def _function_output(self, raw: Fields) -> Json:
        call_id, output = raw.need_text("call_id"), raw.need("output")
        item = self._new(raw, "function_call_output", status="completed", call_id=call_id)
        if isinstance(output, str):
            return {**item, "output": raw.text("output", max_length=_TEXT_LIMIT)}
        parts = raw.objects("output") or []
        return {
            **item,
            "output": [self._part(p, "input_text", f"{item['id']}.{i}") for i, p in enumerate(parts)],
        }

    def _approval(self, raw: Fields) -> Json:
        request_id = raw.need_text("approval_request_id")
        raw.need("approve")
        return self._new(
            raw,
            "mcp_approval_response",
            approval_request_id=request_id,
            approve=raw.boolean("approve"),
            reason=raw.text("reason"),
        )

    def _computer_output(self, raw: Fields) -> Json:
        call_id = raw.need_text("call_id")
        raw.need("output")
        shot = raw.fields("output") or Fields({})
        shot.choice("type", ("computer_screenshot", "input_image"))
        item = self._new(raw, "computer_call_output", status="completed", call_id=call_id)
        picture = self._image(shot, f"{item['id']}.0")
        checks = [
            {"id": check.need_text("id"), "code": check.text("code"), "message": check.text("message")}
            for check in raw.objects("acknowledged_safety_checks") or []
        ]
        screenshot = {
            "type": "computer_screenshot",
            "file_id": picture["file_id"],
            "image_url": picture["image_url"],
        }
        return {**item, "output": screenshot, "acknowledged_safety_checks": checks}

    def _computer_call(self, raw: Fields) -> Json:
        if raw.has("id") and (known := self._find(raw.need_text("id"))) is not None:
            return known
        action = raw.fields("action")
        return self._new(
            raw,
            "computer_call",
            status="completed",
            call_id=raw.need_text("call_id"),
            action=action.raw if action else {"type": "screenshot"},
            pending_safety_checks=[],
        )

    def _image_call(self, raw: Fields) -> Json:
        if raw.has("id") and (known := self._find(raw.need_text("id"))) is not None:
            return known
        if not raw.has("result"):
            return self._stored(raw)
        item = self._new(raw, "image_generation_call", status="completed")
        return {**item, "result": self._state.outsource(raw.need_text("result"), item["id"])}

    def _reasoning(self, raw: Fields) -> Json:
        summary = [
            {"type": "summary_text", "text": part.text("text") or ""} for part in raw.objects("summary") or []
        ]
        return self._new(raw, "reasoning", summary=summary)

    def _mcp_tools(self, raw: Fields) -> Json:
        tools: list[Json] = [
            {
                "name": tool.need_text("name"),
                "description": tool.text("description"),
                "input_schema": tool.raw.get("input_schema") or {},
                "annotations": tool.raw.get("annotations"),
            }
            for tool in raw.objects("tools") or []
        ]
        label = raw.need_text("server_label")
        return self._new(raw, "mcp_list_tools", server_label=label, tools=tools, error=None)

    def _echo(self, *names: str) -> Callable[[Fields], Json]:
        def read(raw: Fields) -> Json:
            if raw.has("id") and (known := self._find(raw.need_text("id"))) is not None:
                return known
            kind = raw.need_text("type")
            return self._new(raw, kind, **{name: raw.text(name) or "" for name in names})

        return read


def _text_part(text_type: str, text: str) -> Json:
    if text_type == "output_text":
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": text}


def shown(item: Json, include: frozenset[str]) -> Json:
    """Return an item as it is sent: results and outputs only where the caller asked for them."""
    kind = item["type"]
    if kind == "file_search_call" and "file_search_call.results" not in include:
        return {**item, "results": None}
    if kind == "code_interpreter_call" and "code_interpreter_call.outputs" not in include:
        return {**item, "outputs": None}
    return item


def text_of(item: Json) -> str:
    """Return the text of a message, its parts joined with line breaks."""
    parts = [part["text"] for part in item.get("content", ()) if "text" in part]
    return "\n".join(parts)
