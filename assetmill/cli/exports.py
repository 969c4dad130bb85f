"""Assets as plain files in a folder that a person opens."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from assetmill.errors import InvalidInput
from assetmill.lineage import trace
from assetmill.names import distinct, safe_name
from assetmill.provenance.credentials import read_credential
from assetmill.provenance.sidecar import SidecarKind, sidecar
from assetmill.records import AssetRecord, RunManifest
from assetmill.services import Services
from assetmill.settings import Settings
from assetmill.store.blobs import Blobs
from assetmill.store.index import Index

INDEX = ".assets.json"
"""Which digest each file was written from, so that a run that made nothing new reads nothing."""


def folder_of(settings: Settings, pipeline: str) -> Path:
    """Return where runs leave the newest files of a pipeline."""
    return settings.home / "out" / safe_name(pipeline)


def wanted(manifest: RunManifest, *, everything: bool = False) -> list[AssetRecord]:
    """Return what stages were asked for, or all that was made: candidates and pictures on the way too."""
    return [asset for asset in manifest.assets() if everything or asset.role == "output"]


def export_assets(assets: Iterable[AssetRecord], blobs: Blobs, folder: Path) -> list[Path]:
    """Write assets as files with safe, distinct names and return their paths, in order.

    Files that are there already and unchanged are neither read from the store nor written.

    Raises:
        InvalidInput: the folder cannot be written.
        BlobDamaged, KeyMissing: the store lost the bytes.
    """
    listed = list(assets)
    names = distinct(safe_name(asset.name) for asset in listed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        index = _read_index(folder)
        paths = [
            _export(asset, blobs, folder / name, index) for asset, name in zip(listed, names, strict=True)
        ]
        _write(folder / INDEX, json.dumps(index, indent=1, sort_keys=True).encode())
    except OSError as error:
        raise InvalidInput(f"cannot write to {folder}: {error.strerror or error}") from error
    return paths


def write_sidecar(kind: SidecarKind, asset: AssetRecord, path: Path, services: Services) -> Path:
    """Write where an exported asset comes from beside it, as `NAME.json` or `NAME.xmp`; return the path.

    Raises:
        InvalidInput: the folder cannot be written.
    """
    family = trace(asset, services.ledger, Index(services.backend, services.ledger), ("up",))
    credential = read_credential(services.blobs.get(asset.blob), services.settings.provenance)
    beside = path.with_name(f"{path.name}.{kind}")
    try:
        _write(beside, sidecar(kind, asset, family, credential))
    except OSError as error:
        raise InvalidInput(f"cannot write {beside}: {error.strerror or error}") from error
    return beside


def _export(asset: AssetRecord, blobs: Blobs, path: Path, index: dict[str, str]) -> Path:
    blob = asset.blob
    is_there = path.is_file() and not path.is_symlink() and path.stat().st_size == blob.size_bytes
    if not is_there or index.get(path.name) != blob.digest:
        _write(path, blobs.get(blob))
        index[path.name] = blob.digest
    return path


def _write(path: Path, data: bytes) -> None:
    """Replace a file as a whole; a link of that name is replaced, never followed."""
    partial = path.with_name(f".{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(path)


def _read_index(folder: Path) -> dict[str, str]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = cast(dict[Any, Any], index) if isinstance(index, dict) else {}
    return {str(name): str(digest) for name, digest in entries.items()}
