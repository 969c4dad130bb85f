"""What a repair tells of one object, and the two ways in which it changes one; nothing is thrown away."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal

from assetmill.errors import KeyExists, KeyMissing, StoreError
from assetmill.store import layout
from assetmill.store.backend import Backend

State = Literal["mended", "aside", "lost", "made_again", "stray"]
"""`aside`: unreadable, and the next run finds out anew. `lost`: a person decides. `stray`: not ours."""


@dataclass(frozen=True)
class Repaired:
    """What became of one object that was not as it must be."""

    state: State
    key: str
    what: str
    message: str


def set_aside(backend: Backend, key: str) -> None:
    """Move what lies under a key to where no reader of ours looks."""
    try:
        backend.put(layout.aside(key, uuid.uuid4().hex[:8]), backend.get(key))
    except KeyMissing:
        return
    backend.delete(key)


def replace(backend: Backend, key: str, data: bytes) -> None:
    """Put a record where one is missing or unreadable; what is there is set aside first.

    Raises:
        StoreError: another process has written there meanwhile.
    """
    set_aside(backend, key)
    try:
        backend.create(key, data)
    except KeyExists as error:
        raise StoreError(f"{key} was written meanwhile: repair again") from error
