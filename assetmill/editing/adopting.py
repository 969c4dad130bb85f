"""A person's own files as assets: kept under their digest, with a safe name, like anything that was made."""

from __future__ import annotations

from pathlib import Path

from assetmill.assets import AssetFinder, local_file
from assetmill.binding.localfiles import MAX_BYTES, media_type
from assetmill.editing.derived import LocalFile, LocalStage, run_local
from assetmill.errors import InvalidInput, NotFound
from assetmill.fingerprint import digest
from assetmill.names import safe_name
from assetmill.pictures import PictureDamaged, examine
from assetmill.records import AssetKind, AssetRecord, RunId, StageRecord
from assetmill.services import Services

PIPELINE = "import"

_DATA = frozenset({"text/csv", "text/tab-separated-values", "application/json", "application/jsonl"})


def adopt(path: Path, services: Services, run_id: RunId) -> StageRecord:
    """Keep a local file as an asset and return its commit; doing so again finds the same asset.

    Raises:
        InvalidInput: it cannot be read, is too large, or looks like a picture and is damaged.
    """
    data = read_file(path)
    file = _examined(path.name, data)
    deciding = {"operation": "import", "name": file.name, "content": digest(data)}
    local = LocalStage(PIPELINE, "import", "", deciding)
    return run_local(local, services, run_id, lambda: ([file], {}))


def find_or_adopt(
    reference: str, finder: AssetFinder, services: Services, run_id: RunId
) -> tuple[AssetRecord, StageRecord | None]:
    """Return the asset that a reference means; a file that is none of the store's is brought in first.

    Raises:
        NotFound: it means nothing, or several things.
        InvalidInput: a file that cannot be taken in.
    """
    try:
        return finder.find(reference), None
    except NotFound:
        path = local_file(reference)
        if path is None:
            raise
        record = adopt(path, services, run_id)
        return record.outputs[0], record


def read_file(path: Path) -> bytes:
    """Return a local file's bytes.

    Raises:
        InvalidInput: it is no regular file, cannot be read, is empty, or too large for the service.
    """
    try:
        if not path.is_file():
            raise InvalidInput(f"{str(path)!r} is not a file")
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput(
                f"{str(path)!r} is larger than {MAX_BYTES // 1024**2} MB, which no service takes"
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InvalidInput(f"cannot read {str(path)!r}: {reason}") from error
    if not data:
        raise InvalidInput(f"{str(path)!r} is empty")
    return data


def _examined(name: str, data: bytes) -> LocalFile:
    kind_of_file = media_type(name, data[:16])
    safe = safe_name(name, "import")
    if kind_of_file.startswith("image/") and kind_of_file != "image/svg+xml":
        try:
            facts = examine(data)
        except PictureDamaged as error:
            raise InvalidInput(f"{name!r} is not a whole picture: {error}") from error
        return LocalFile.picture(safe, data, (facts.width, facts.height), "import", facts.media_type)
    return LocalFile(safe, data, kind_of_file, _kind(kind_of_file), "import")


def _kind(media: str) -> AssetKind:
    if media in _DATA:
        return "data"
    return "text" if media.startswith("text/") else "document"
