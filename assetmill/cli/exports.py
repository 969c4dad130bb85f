"""Assets as plain files in a folder that a person opens."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from assetmill.errors import BlobDamaged, InvalidInput, KeyMissing, StoreError
from assetmill.fingerprint import digest
from assetmill.history.lineage import trace
from assetmill.holding import held
from assetmill.names import distinct, safe_name
from assetmill.private import make_folder
from assetmill.progress import unwatched
from assetmill.provenance.credentials import read_credential
from assetmill.provenance.sidecar import SidecarKind, sidecar
from assetmill.records import AssetRecord, BlobRef, RunManifest
from assetmill.settings import Settings
from assetmill.stage.services import Services
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


@dataclass(frozen=True)
class Exported:
    """What became of files that were to be in a folder: which are new there, which the store has lost."""

    written: frozenset[str]
    lost: Mapping[str, StoreError]


def export_assets(
    assets: Iterable[AssetRecord], blobs: Blobs, folder: Path, *, on_file: Callable[[], None] = unwatched
) -> list[Path]:
    """Write assets as files with safe, distinct names and return their paths, in order.

    `on_file` is called after each.

    A file of the same name that no export has written is left alone: the asset gets another name.

    Raises:
        InvalidInput: the folder cannot be written.
        BlobDamaged, KeyMissing: the store lost the bytes of one; the others are written.
    """
    listed = list(assets)
    names = free_names([(safe_name(asset.name), asset.blob) for asset in listed], folder)
    files = {name: asset.blob for name, asset in zip(names, listed, strict=True)}
    for error in export_files(files, blobs, folder, on_file=on_file).lost.values():
        raise error
    return [folder / name for name in names]


def free_names(files: Sequence[tuple[str, BlobRef]], folder: Path) -> list[str]:
    """Return a name for each file that is distinct and takes no place of a person's own file in a folder."""
    there, index = _files_in(folder), _read_index(folder)
    foreign = [
        path.name
        for name, blob in files
        for path in there.get(name.lower(), ())
        if path.name not in index and not _is_same(path, blob)
    ]
    return list(distinct((name for name, _ in files), taken=foreign))


def sidecar_names(
    names: Sequence[str], kinds: Sequence[SidecarKind], folder: Path
) -> dict[tuple[str, SidecarKind], str]:
    """Return what the sidecars of exported files are called: never like a file that is none of ours."""
    if not kinds:
        return {}
    there = _files_in(folder)
    pairs: list[tuple[str, SidecarKind]] = [(name, kind) for name in names for kind in kinds]
    wanted = [f"{name}.{kind}" for name, kind in pairs]
    foreign = [path.name for name in wanted for path in there.get(name.lower(), ()) if not _is_sidecar(path)]
    found = distinct(wanted, taken=[*names, *foreign])
    return dict(zip(pairs, found, strict=True))


def _files_in(folder: Path) -> Mapping[str, list[Path]]:
    """Return what is in a folder, by the name without its case: some systems do not tell it apart."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in folder.iterdir() if folder.is_dir() else ():
        found[path.name.lower()].append(path)
    return found


def _is_same(path: Path, blob: BlobRef) -> bool:
    try:
        is_like = path.is_file() and path.stat().st_size == blob.size_bytes
        return is_like and digest(path.read_bytes()) == blob.digest
    except OSError:
        return False


def _is_sidecar(path: Path) -> bool:
    """Whether a file is one that `write_sidecar` wrote: it names an asset."""
    try:
        return path.is_file() and b"ast_" in path.read_bytes()[:4096]
    except OSError:
        return False


def export_files(
    files: Mapping[str, BlobRef], blobs: Blobs, folder: Path, *, on_file: Callable[[], None] = unwatched
) -> Exported:
    """Write blobs under names that are safe and distinct.

    Files that are there already and unchanged are neither read from the store nor written.

    Raises:
        InvalidInput: the folder cannot be written.
    """
    try:
        with held(make_folder(folder)):
            return _export_all(files, blobs, folder, on_file)
    except OSError as error:
        raise InvalidInput(f"cannot write to {folder}: {error.strerror or error}") from error


def _export_all(
    files: Mapping[str, BlobRef], blobs: Blobs, folder: Path, on_file: Callable[[], None]
) -> Exported:
    written, lost = set[str](), dict[str, StoreError]()
    index = _read_index(folder)
    known = dict(index)
    for name, blob in files.items():
        try:
            if _export(blob, blobs, folder / name, index):
                written.add(name)
        except (BlobDamaged, KeyMissing) as error:
            lost[name] = error
        on_file()
    if index != known:
        write_whole(folder / INDEX, json.dumps(index, indent=1, sort_keys=True).encode())
    return Exported(frozenset(written), lost)


def write_sidecar(kind: SidecarKind, asset: AssetRecord, beside: Path, services: Services) -> Path:
    """Write where an exported asset comes from to a file beside it, as `sidecar_names` says; return the path.

    Raises:
        InvalidInput: the folder cannot be written.
    """
    family = trace(asset, services.ledger, Index(services.backend, services.ledger), ("up",))
    credential = read_credential(services.blobs.get(asset.blob), services.settings.provenance)
    try:
        write_whole(beside, sidecar(kind, asset, family, credential))
    except OSError as error:
        raise InvalidInput(f"cannot write {beside}: {error.strerror or error}") from error
    return beside


def _export(blob: BlobRef, blobs: Blobs, path: Path, index: dict[str, str]) -> bool:
    """Return whether the file had to be written."""
    is_there = path.is_file() and not path.is_symlink() and path.stat().st_size == blob.size_bytes
    if is_there and index.get(path.name) == blob.digest:
        return False
    write_whole(path, blobs.get(blob))
    index[path.name] = blob.digest
    return True


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file as a whole; a link of that name is replaced, never followed."""
    partial = path.with_name(f".{os.getpid()}.partial")
    mode = path.parent.stat().st_mode & 0o666
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode), "wb") as file:
        file.write(data)
    partial.replace(path)


def _read_index(folder: Path) -> dict[str, str]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = cast(dict[Any, Any], index) if isinstance(index, dict) else {}
    return {str(name): str(digest) for name, digest in entries.items()}
