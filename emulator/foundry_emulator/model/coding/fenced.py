"""Code that the request brings along is run exactly as it stands."""

from __future__ import annotations

from foundry_emulator.model.coding.request import CodeRequest


def write(request: CodeRequest) -> str | None:
    """Return the request's own Python, or None without any."""
    return request.code
