"""Code interpreter containers: a directory each, files with IDs of their own, gone when idle for too long."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from pathlib import Path
from typing import Any

from foundry_emulator import ids
from foundry_emulator.at_rest import expire_container
from foundry_emulator.boundary.errors import invalid, not_found
from foundry_emulator.clock import Clock
from foundry_emulator.jsons import Json
from foundry_emulator.state import Doc, State

MOUNT = "/mnt/data"
IDLE_MINUTES = 20
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


def safe_name(name: str) -> str:
    """Reduce a file name from outside to one that stays inside its directory."""
    base = unicodedata.normalize("NFKC", name).replace("\\", "/").rsplit("/", 1)[-1]
    clean = _FORBIDDEN.sub("_", base).strip(" .")
    encoded = clean.encode("utf-8", "replace")[:200].decode("utf-8", "ignore")
    return encoded or "file"


def write_inside(directory: Path, name: str, data: bytes) -> None:
    """Write a file without following a link that sandboxed code may have left under that name."""
    target = directory / name
    if target.is_symlink() or target.is_file():
        target.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(target, flags, 0o644), "wb") as sink:
        sink.write(data)


class Containers:
    """Makes, finds and ends containers; every use of one counts as activity."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def create(self, name: str, *, minutes: int = IDLE_MINUTES, **options: Any) -> Json:
        """Make an empty container."""
        now = self._clock.stamp()
        body: Json = {
            "id": ids.container_id(),
            "object": "container",
            "created_at": now,
            "name": name,
            "status": "running",
            "last_active_at": now,
            "expires_after": {"anchor": "last_active_at", "minutes": minutes},
            "memory_limit": options.get("memory_limit") or "1g",
            "network_policy": {"type": "disabled"},
        }
        self._state.container_dir(body["id"]).mkdir(parents=True)
        self._state.put("container", body["id"], body)
        return body

    def find(self, container_id: str) -> Json | None:
        """Return a container that is still alive, without counting that as activity."""
        doc = self._state.get("container", container_id)
        if doc is None or doc.body["status"] == "expired":
            return None
        idle_s = self._clock.now() - doc.body["last_active_at"]
        if idle_s >= doc.body["expires_after"]["minutes"] * 60:
            expire_container(self._state, container_id, doc.body)
            return None
        return doc.body

    def need_alive(self, container_id: str) -> Json:
        """Return a container that is still alive, without counting that as activity.

        Raises:
            WireError: 404 when it is unknown, 400 when it has expired.
        """
        body = self.find(container_id)
        if body is None:
            known = self._state.get("container", container_id) is not None
            if known:
                raise invalid("Container is expired.", code=None)
            raise not_found("Container", container_id)
        return body

    def live(self, container_id: str) -> Json:
        """Return a live container and count that as activity.

        Raises:
            WireError: 404 when it is unknown, 400 when it has expired.
        """
        body = self.need_alive(container_id)
        body = {**body, "last_active_at": self._clock.stamp()}
        self._state.put("container", container_id, body)
        return body

    def delete(self, container_id: str) -> None:
        """Remove a container with its files."""
        self.live(container_id)
        for doc in self._state.all("container_file", container_id):
            self._state.drop_blob(doc.id)
        self._state.delete_under("container_file", container_id)
        self._state.delete("container", container_id)
        self._state.drop_container_dir(container_id)

    def upload(self, container_id: str, name: str, data: bytes, file_id: str | None = None) -> Json:
        """Put a caller's file at the top of `/mnt/data`; the same name replaces what was there."""
        clean = safe_name(name)
        write_inside(self._state.container_dir(container_id), clean, data)
        return self.record(container_id, f"{MOUNT}/{clean}", data, source="user", file_id=file_id)

    def record(
        self, container_id: str, path: str, data: bytes, *, source: str, file_id: str | None = None
    ) -> Json:
        """Note a file that is in the container; a path that is known keeps its ID."""
        path = posixpath.normpath(path)
        known = self.at_path(container_id, path)
        wire_id = known.id if known else ids.container_file_id()
        body: Json = {
            "id": wire_id,
            "object": "container.file",
            "bytes": len(data),
            "container_id": container_id,
            "created_at": self._clock.stamp(),
            "path": path,
            "source": source,
        }
        self._state.write_blob(wire_id, data)
        self._state.put("container_file", wire_id, body, parent=container_id, extra={"file_id": file_id})
        return body

    def at_path(self, container_id: str, path: str) -> Doc | None:
        """Return the file recorded under a path."""
        docs = self._state.all("container_file", container_id)
        return next((doc for doc in docs if doc.body["path"] == path), None)

    def file(self, container_id: str, file_id: str) -> Json:
        """Return a file of a live container.

        Raises:
            WireError: 404 when either is gone.
        """
        self.live(container_id)
        doc = self._state.get("container_file", file_id, container_id)
        if doc is None:
            raise not_found("Container file", file_id)
        return doc.body

    def delete_file(self, container_id: str, file_id: str) -> None:
        """Remove a file from a live container."""
        body = self.file(container_id, file_id)
        relative = posixpath.relpath(body["path"], MOUNT)
        target = self._state.container_dir(container_id) / relative
        # Below the top level a directory may be a link that sandboxed code made: leave such files alone.
        if "/" not in relative:
            target.unlink(missing_ok=True)
        self._state.delete("container_file", file_id, container_id)
        self._state.drop_blob(file_id)
