"""What an operation answers with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from foundry_emulator.boundary.errors import Layer
from foundry_emulator.jsons import Json


@dataclass(frozen=True)
class Reply:
    """What an operation answers with: a JSON body, bytes, or a stream of text."""

    body: Json | None = None
    status: int = 200
    content: bytes | None = None
    media_type: str | None = "application/json"
    stream: AsyncIterator[bytes] | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    """Besides the standard ones; one that is None takes a standard one away."""
    layer: Layer | None = None
    """Who refused, where this is an error."""
