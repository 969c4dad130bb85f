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
from assetmill.fingerprint import digest
from assetmill.records import AssetRecord, BlobRef
from assetmill.stage.services import Services
from assetmill.store import layout

_MOST_FILES = 200_000


@dataclass
class Salvage:
    """Looks for lost bytes. `folders` hold files that were exported; `asks_service` opens the gateway."""

    services: Services
    folders: tuple[Path, ...] = ()
    asks_service: bool = True

    def find(self, asset: AssetRecord) -> str:
        """Put an asset's bytes back and say where they were found, "" when nowhere."""
        for where, data in self._copies(asset):
            if len(data) == asset.blob.size_bytes and digest(data) == asset.blob.digest:
                self.services.blobs.put(data, asset.blob.media_type)
                return where
        return ""

    def _copies(self, asset: AssetRecord) -> Iterator[tuple[str, bytes]]:
        yield from self._quarantined(asset.blob)
        for path in self._files.get(asset.blob.size_bytes, ()):
            try:
                yield str(path), path.read_bytes()
            except OSError:
                continue
        if self.asks_service:
            yield from self._on_the_service(asset)

    def _quarantined(self, blob: BlobRef) -> Iterator[tuple[str, bytes]]:
        """A transfer may have been bad and the bytes good."""
        for entry in self.services.backend.list(layout.quarantined(blob.digest)):
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

    def _on_the_service(self, asset: AssetRecord) -> Iterator[tuple[str, bytes]]:
        made = asset.made_by
        gateway = self.services.gateway
        if made is None or made.endpoint != gateway.endpoint:
            return
        for handle in asset.handles:
            if handle.kind == "container_file" and handle.container_id:
                try:
                    yield "its container", gateway.read_container_file(handle.container_id, handle.id)
                except ServiceError:
                    continue
        try:
            body = gateway.get_response(made.response_id).body
        except ServiceError:
            return
        for item in cast(list[Mapping[str, object]], body.get("output") or []):
            if isinstance(text := item.get("result"), str):
                try:
                    yield f"response {made.response_id}", base64.b64decode(text, validate=True)
                except (binascii.Error, ValueError):
                    continue


def _walk(folders: tuple[Path, ...]) -> Iterator[Path]:
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if path.is_file() and not path.is_symlink():
                    yield path
