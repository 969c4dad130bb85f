"""Errors as the service words them, in its two envelopes.

`ServiceError` is raised anywhere below a route and becomes a status and an envelope at the HTTP boundary.
The project surface speaks azure-core's envelope, the OpenAI surface OpenAI's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from foundry_emulator.jsons import Json

Surface = Literal["project", "openai", "control"]

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
    ) -> None:
        super().__init__(status, code, message)
        self.status, self.code, self.message = status, code, message
        self.param = param
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"

    def envelope(self, surface: Surface) -> Json:
        """Word the error as that surface does."""
        if surface == "openai":
            kind = "server_error" if self.status >= 500 else _TYPES.get(self.status, "invalid_request_error")
            return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}
        error: Json = {"code": self.code or "invalid_request", "message": self.message}
        if self.param is not None:
            error["target"] = self.param
        return {"error": error}


def invalid(message: str, param: str | None = None, code: str | None = "invalid_value") -> WireError:
    """Refuse a request for what it says."""
    return WireError(400, code, message, param=param)


def not_found(what: str, wire_id: str, param: str | None = None) -> WireError:
    """Say that an object is not there, never was, or has expired."""
    return WireError(404, "not_found", f"{what} with id '{wire_id}' not found.", param=param)


def not_emulated(what: str) -> WireError:
    """Refuse by name what the emulator does not do."""
    message = f"The assetmill emulator does not implement {what}. See COVERAGE.md beside its source."
    return WireError(400, "operation_not_emulated", message)
