"""Errors as the service words them, in its two envelopes.

`WireError` is raised anywhere below a route and becomes a status and an envelope at the HTTP boundary.
The project surface speaks azure-core's envelope, the OpenAI surface OpenAI's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from foundry_emulator import ids
from foundry_emulator.jsons import Json

Surface = Literal["project", "openai", "control"]
Layer = Literal["model", "foundry", "gateway"]
"""Who refused: the model's own service, Foundry before it, or a gateway before both."""

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


class WireError(Exception):
    """A refusal with the status, code and words of the service."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        layer: Layer = "model",
        more: Json | None = None,
    ) -> None:
        super().__init__(status, code, message)
        self.layer: Layer = layer
        self.more = dict(more or {})
        self.status, self.code, self.message = status, code, message
        self.param = param
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"

    def envelope(self, surface: Surface, request_id: str, *, is_first: bool = False) -> Json:
        """Word the error as that surface and the layer that refused do.

        `is_first` words it as the first preview did.
        """
        if self.layer == "gateway":
            return {"error": {"code": self.code, "message": self.message}}
        if surface == "openai" and self.layer == "model":
            kind = "server_error" if self.status >= 500 else _TYPES.get(self.status, "invalid_request_error")
            worded = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
            return {"error": {**worded, **self.more}}
        error: Json = {"code": self.code or "invalid_request", "message": self.message}
        if self.param is not None:
            error["param"] = self.param
        if is_first:
            return {"error": {**error, "details": [], "additional_info": {"request_id": request_id}}}
        kind = "error" if self.status in (401, 404) or self.status >= 500 else "invalid_request_error"
        extra: Json = {"type": kind, "details": [], "additionalInfo": {"request_id": request_id}}
        return {"error": {**error, **extra, **self.more}}


def invalid(message: str, param: str | None = None, code: str | None = "invalid_value") -> WireError:
    """Refuse a request for what it says."""
    return WireError(400, code, message, param=param)


def not_found(what: str, wire_id: str, param: str | None = None) -> WireError:
    """Say that an object is not there, never was, or has expired."""
    code = None if what == "Response" else "not_found"
    return WireError(404, code, f"{what} with id '{wire_id}' not found.", param=param)


def no_conversation(conversation_id: str) -> WireError:
    """Say that a conversation is not there, or not any more."""
    if ids.partition_of(conversation_id) is None:
        return malformed_conversation(conversation_id)
    message = f"Conversation '{conversation_id}' not found"
    return WireError(404, "not_found", message, layer="foundry")


def not_with_agent(*fields: str) -> WireError:
    """Refuse fields that the agent has settled: one is named as the parameter, several are details."""
    message = "Not allowed when agent is specified."
    if len(fields) == 1:
        return WireError(400, "invalid_payload", message, param=fields[0], layer="foundry")
    one = {"code": "ValidationError", "message": message, "type": "error"}
    more = {"param": None, "details": [{**one, "param": field} for field in fields]}
    return WireError(400, "invalid_payload", "Invalid payload", layer="foundry", more=more)


def picture_refused(message: str, param: str | None = "tools", code: str = "invalid_value") -> WireError:
    """Refuse a picture as the image tool does, whose refusals have a type of their own."""
    return WireError(400, code, message, param=param, more={"type": "image_generation_user_error"})


def malformed_conversation(conversation_id: str) -> WireError:
    """Refuse a conversation's ID that the service cannot have given out."""
    message = f"Invalid conversation id '{conversation_id[:80]}', Malformed identifier."
    return WireError(400, "invalid_payload", message, param="conversation", layer="foundry")


def not_emulated(what: str) -> WireError:
    """Refuse by name what the emulator does not do."""
    message = f"The assetmill emulator does not implement {what}. See COVERAGE.md beside its source."
    return WireError(400, "operation_not_emulated", message)


def prompt_refused(categories: Sequence[str]) -> WireError:
    """Refuse a prompt as the content filter does, with what it found."""
    kinds = ("jailbreak", "sexual", "violence", "self_harm", "hate")
    results = {
        kind: {"filtered": kind in categories, "severity": "high" if kind in categories else "safe"}
        for kind in kinds[1:]
    }
    results["jailbreak"] = {"filtered": "jailbreak" in categories, "detected": "jailbreak" in categories}
    found = {
        "blocked": True,
        "source_type": "prompt",
        "content_filter_results": results,
        "content_filter_offsets": {"start_offset": 0, "end_offset": 0, "check_offset": 0},
    }
    message = (
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. "
        "Please modify your prompt and retry."
    )
    more: Json = {"content_filters": [found], "innererror": {"code": "ContentFiltered"}}
    return WireError(400, "content_filter", message, param="prompt", more=more)
