"""A person's own files as assets: kept under their digest, with a safe name, like anything that was made."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from assetmill.errors import InvalidInput, NotFound
from assetmill.fingerprint import canonical, digest
from assetmill.history.assets import AssetFinder, digest_of, local_file
from assetmill.names import safe_name
from assetmill.pictures import PictureDamaged
from assetmill.plan.localfiles import MAX_BYTES, media_type
from assetmill.progress import unwatched
from assetmill.records import AssetKind, AssetRecord, RunId, RunManifest, RunStart, StageEntry, StageRecord
from assetmill.stage.derived import LocalFile, LocalStage, run_local
from assetmill.stage.services import Services
from assetmill.store.blobs import Blobs
from assetmill.store.index import Index
from assetmill.store.run_ids import make_run_id
from assetmill.taking import take

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


def adopt_all(
    paths: Sequence[Path], services: Services, flow_run_id: str, *, on_file: Callable[[], None] = unwatched
) -> RunManifest:
    """Keep local files as assets, as one run, so that the index knows them.

    A file that the store has already, whatever it was called, is the asset that it was: with its lineage.
    `on_file` is called after each.

    Raises:
        InvalidInput: the first file that cannot be taken in; nothing of the run is kept then.
    """
    started_at = time.time()
    run_id = make_run_id(flow_run_id, started_at)
    finder = AssetFinder(services.ledger, Index(services.backend, services.ledger))
    records: list[StageRecord] = []
    for path in paths:
        records.append(_known(path, finder, services.blobs) or adopt(path, services, run_id))
        on_file()
    facts = {"files": [path.name for path in paths]}
    start = RunStart(
        run_id=run_id,
        pipeline=PIPELINE,
        parameters=facts,
        profile=services.settings.profile,
        spec_digest=digest(canonical(facts)),
        spec_path="",
        stages=tuple((record.stage, record.variant) for record in records),
        started_at=started_at,
    )
    services.ledger.write_start(start)
    manifest = RunManifest(
        run_id=run_id,
        pipeline=PIPELINE,
        parameters=facts,
        profile=start.profile,
        spec_digest=start.spec_digest,
        status="completed",
        stages=tuple(_entry(record, run_id) for record in records),
        spent_usd=0.0,
        started_at=started_at,
        finished_at=time.time(),
        flow_run_id=flow_run_id,
    )
    services.ledger.write_manifest(manifest)
    return manifest


def _known(path: Path, finder: AssetFinder, blobs: Blobs) -> StageRecord | None:
    asset = finder.with_digest(digest_of(path))
    if asset is None:
        return None
    restore(path, asset, blobs)
    return finder.ledger.read_stage_of(asset.asset_id)


def restore(path: Path, asset: AssetRecord, blobs: Blobs) -> bool:
    """Put an asset's bytes back that the store has lost; False when it has them."""
    if blobs.find(asset.blob) is not None:
        return False
    blobs.put(read_file(path), asset.blob.media_type)
    return True


def _entry(record: StageRecord, run_id: RunId) -> StageEntry:
    return StageEntry(
        stage=record.stage,
        variant=record.variant,
        status="done" if record.run_id == run_id else "reused",
        fingerprint=record.fingerprint,
        record=record,
        spent_usd=0.0,
        seconds=0.0,
    )


def find_or_adopt(
    reference: str, finder: AssetFinder, services: Services, run_id: RunId
) -> tuple[AssetRecord, StageRecord | None]:
    """Return the asset that a reference means; a file that is none of the store's is brought in first.

    Raises:
        NotFound: it means nothing, or several things.
        InvalidInput: a file that cannot be taken in.
    """
    path = local_file(reference)
    try:
        asset = finder.find(reference)
        if path is not None and digest_of(path) == asset.blob.digest:
            restore(path, asset, services.blobs)
        return asset, None
    except NotFound:
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
            facts = take(data).facts
        except PictureDamaged as error:
            raise InvalidInput(f"{name!r} is not a whole picture: {error}") from error
        return LocalFile.picture(safe, data, (facts.width, facts.height), "import", facts.media_type)
    return LocalFile(safe, data, kind_of_file, _kind(kind_of_file), "import")


def _kind(media: str) -> AssetKind:
    if media in _DATA:
        return "data"
    return "text" if media.startswith("text/") else "document"
