"""Where bytes that the store has lost may still be: beside their key, in exported files, on the service."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from assetmill.errors import KeyMissing, ServiceError
from assetmill.fingerprint import Digest, digest
from assetmill.names import is_same_endpoint
from assetmill.pictures import MEDIA_TYPES, sniff
from assetmill.records import AssetRecord, ServiceHandle
from assetmill.stage.services import Services
from assetmill.store import layout

_MOST_FILES = 200_000


@dataclass(frozen=True)
class LostBytes:
    """Bytes that a record promises: what is known of them, and of where the service made them."""

    what: str
    digest: Digest
    size_bytes: int | None = None
    media_type: str = ""
    handles: tuple[ServiceHandle, ...] = ()
    response_id: str = ""
    endpoint: str = ""

    @classmethod
    def of_asset(cls, asset: AssetRecord) -> LostBytes:
        """Return what is known of an asset's bytes."""
        made, blob = asset.made_by, asset.blob
        return cls(
            f"{asset.name} ({asset.asset_id})",
            blob.digest,
            blob.size_bytes,
            blob.media_type,
            asset.handles,
            made.response_id if made else "",
            made.endpoint if made else "",
        )

    def is_in(self, data: bytes) -> bool:
        """Whether these are the bytes."""
        return self.size_bytes in {None, len(data)} and digest(data) == self.digest


@dataclass
class Salvage:
    """Looks for lost bytes. `folders` hold files that were exported; `asks_service` opens the gateway."""

    services: Services
    folders: tuple[Path, ...] = ()
    asks_service: bool = True

    def find(self, lost: LostBytes) -> str:
        """Put lost bytes back and say where they were found, "" when nowhere."""
        for where, data in self._copies(lost):
            if lost.is_in(data):
                kind = lost.media_type or MEDIA_TYPES.get(sniff(data) or "", "application/octet-stream")
                self.services.blobs.put(data, kind)
                return where
        return ""

    def _copies(self, lost: LostBytes) -> Iterator[tuple[str, bytes]]:
        yield from self._quarantined(lost.digest)
        sizes = self._files if lost.size_bytes is None else (lost.size_bytes,)
        for path in (path for size in sizes for path in self._files.get(size, ())):
            try:
                yield str(path), path.read_bytes()
            except OSError:
                continue
        if self.asks_service:
            yield from self._on_the_service(lost)

    def _quarantined(self, wanted: Digest) -> Iterator[tuple[str, bytes]]:
        """A transfer may have been bad and the bytes good."""
        for entry in self.services.backend.list(layout.quarantined(wanted)):
            try:
                yield entry.key, self.services.backend.get(entry.key)
            except KeyMissing:
                continue

    @cached_property
    def _files(self) -> Mapping[int, list[Path]]:
        """Every file in the folders, by its size: only those of the right size are read."""
        found: dict[int, list[Path]] = {}
        for count, path in enumerate(_walk(self.folders)):
            if count >= _MOST_FILES:
                break
            found.setdefault(path.stat().st_size, []).append(path)
        return found

    def _on_the_service(self, lost: LostBytes) -> Iterator[tuple[str, bytes]]:
        gateway = self.services.gateway
        if not is_same_endpoint(lost.endpoint, gateway.endpoint):
            return
        for handle in lost.handles:
            if handle.kind == "container_file" and handle.container_id:
                try:
                    yield "its container", gateway.read_container_file(handle.container_id, handle.id)
                except ServiceError:
                    continue
        if not lost.response_id:
            return
        try:
            body = gateway.get_response(lost.response_id).body
        except ServiceError:
            return
        for item in cast(list[Mapping[str, object]], body.get("output") or []):
            if isinstance(text := item.get("result"), str):
                try:
                    yield f"response {lost.response_id}", base64.b64decode(text, validate=True)
                except (binascii.Error, ValueError):
                    continue


def _walk(folders: tuple[Path, ...]) -> Iterator[Path]:
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if path.is_file() and not path.is_symlink():
                    yield path
