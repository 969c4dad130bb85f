"""Uploaded files: found by ID until they expire."""

from __future__ import annotations

from foundry_emulator.boundary.errors import not_found
from foundry_emulator.clock import Clock
from foundry_emulator.jsons import Json
from foundry_emulator.state import State


class Files:
    """The uploads of a project."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def need(self, file_id: str) -> Json:
        """Return an uploaded file that has not expired.

        Raises:
            WireError: 404 when it is gone.
        """
        doc = self._state.get("file", file_id)
        if doc is None:
            raise not_found("File", file_id)
        expires_at = doc.body["expires_at"]
        if expires_at is not None and expires_at <= self._clock.now():
            self._state.delete("file", file_id)
            self._state.drop_blob(file_id)
            raise not_found("File", file_id)
        return doc.body

    def content(self, file_id: str) -> bytes:
        """Return an uploaded file's bytes.

        Raises:
            WireError: 404 when it is gone.
        """
        self.need(file_id)
        content = self._state.read_blob(file_id)
        if content is None:
            raise not_found("File", file_id)
        return content
