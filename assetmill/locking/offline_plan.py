"""A plan from a lock file alone: what was made is what the lock says, so no store is asked."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from assetmill.fingerprint import Digest, Fingerprint
from assetmill.locking.models import Lock, LockedAsset, LockedFolder
from assetmill.plan.binder import ProfileDefaults
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Cost, Plan, make_plan
from assetmill.plan.rounds import Position, Rejections
from assetmill.records import AssetId, AssetRecord, BlobRef, RunId, StageRecord
from assetmill.settings import Settings
from assetmill.spec.loading import load_pipeline
from assetmill.spec.pipeline import StageSpec

_NEVER = datetime.date.min
"""A model that was retired since makes nothing stale: what it drew is there."""


def replan(lock: Lock, folder: str, root: Path, settings: Settings) -> Plan:
    """Plan a folder's pipeline again as it is written now; stages that match the lock count as made.

    Raises:
        InvalidInput: the pipeline, its files or its parameters are not valid any more.
    """
    locked = lock.folder[folder]
    loaded = load_pipeline(pipeline_of(locked, root), settings.configs)
    records = records_by_fingerprint(lock, folder, loaded.name)
    given = {key: _given(lock, key) for key in lock.given}
    return make_plan(
        loaded,
        locked.plan.parameters,
        defaults=ProfileDefaults.of(settings),
        lookup=lambda _, fp: records.get(fp),
        assets=given.get,
        estimate=partial(_estimate, settings),
        today=_NEVER,
        words=_LockedWords(lock, folder),
    )


class _LockedWords:
    """What a lock tells of reviewers' rounds. What it has was taken into it: whether approved, others ask."""

    def __init__(self, lock: Lock, folder: str) -> None:
        assets = lock.assets_of(folder).values()
        self._rounds = {asset.stage: asset.rejections for asset in assets if asset.rejections}

    def position(self, spec: StageSpec, record: StageRecord) -> Position:
        return Position("approved", "as locked")

    def heard(self) -> frozenset[Digest]:
        return frozenset()

    def reasons_against(self, record: StageRecord) -> tuple[str, ...]:
        return ()

    def is_begun(self, call: StageCall) -> bool:
        return False

    def settled(self, label: str) -> Rejections:
        return tuple((Fingerprint(fp), reason) for fp, reason in self._rounds.get(label, ()))


def _estimate(settings: Settings, call: StageCall, coming: int) -> Cost:
    """Price what is stale; where nothing is, no price list is read."""
    from assetmill.money.prices import estimate, prices_for

    return estimate(call, prices_for(settings), coming=coming)


def pipeline_of(folder: LockedFolder, root: Path) -> str:
    """Return a folder's pipeline as a name or a path from here; the lock has paths from where it lies."""
    written = folder.plan.pipeline
    return str(root / written) if is_path(written) else written


def pipeline_written(name_or_path: str, root: Path) -> str:
    """Return how a lock file names a pipeline: a name stays, a path begins at the lock file."""
    if not is_path(name_or_path):
        return name_or_path
    return os.path.relpath(name_or_path, root).replace(os.sep, "/")


def is_path(name_or_path: str) -> bool:
    """Say whether it is a path and not a name under `configs/pipelines/`."""
    return name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path or "\\" in name_or_path


def records_by_label(lock: Lock, folder: str, pipeline: str) -> Mapping[str, StageRecord]:
    """Return what each stage made, by the stage's label, as far as the lock tells."""
    words = lock.stages_of(folder)
    made: dict[str, list[LockedAsset]] = {label: [] for label in words}
    for asset in lock.assets_of(folder).values():
        made.setdefault(asset.stage, []).append(asset)
    records: dict[str, StageRecord] = {}
    for label, assets in made.items():
        word = words.get(label)
        text, data = (word.text, word.data) if word else ("", None)
        fp = word.fingerprint if word else assets[0].fingerprint
        stage, _, variant = label.partition("[")
        records[label] = StageRecord.model_construct(
            pipeline=pipeline,
            stage=stage,
            variant=variant.removesuffix("]"),
            fingerprint=Fingerprint(fp),
            deciding={},
            attempt=1,
            run_id=RunId(""),
            made_by=(),
            outputs=tuple(_record(asset, stage) for asset in assets),
            text=text,
            data=json.loads(data) if data else None,
            started_at=0.0,
            finished_at=0.0,
        )
    return records


def records_by_fingerprint(lock: Lock, folder: str, pipeline: str) -> Mapping[Fingerprint, StageRecord]:
    """Return what each stage made, by fingerprint."""
    return {record.fingerprint: record for record in records_by_label(lock, folder, pipeline).values()}


def deciding_by_label(lock: Lock, folder: str) -> Mapping[str, Mapping[str, str]]:
    """Return each stage's digests of its deciding fields, by the stage's label."""
    found = {asset.stage: asset.deciding for asset in lock.assets_of(folder).values()}
    return {**found, **{label: block.deciding for label, block in lock.stages_of(folder).items()}}


def blob_of(asset: LockedAsset) -> BlobRef:
    """Return an asset's blob."""
    return BlobRef.model_construct(
        digest=Digest(f"sha256:{asset.sha256}"), size_bytes=asset.size_bytes, media_type=asset.media_type
    )


def _record(asset: LockedAsset, stage: str) -> AssetRecord:
    width, _, height = (asset.pixels or "").partition("x")
    return AssetRecord.model_construct(
        asset_id=AssetId(asset.asset_id),
        name=asset.output,
        kind=asset.kind,
        blob=blob_of(asset),
        stage=stage,
        variant="",
        role="output",
        width=int(width) if width else None,
        height=int(height) if height else None,
        created_at=0.0,
    )


def _given(lock: Lock, key: str) -> AssetRecord:
    block = lock.given[key]
    blob = BlobRef(
        digest=Digest(f"sha256:{block.sha256}"), size_bytes=block.size_bytes, media_type=block.media_type
    )
    return AssetRecord(
        asset_id=AssetId(key), name=block.name, kind=block.kind, blob=blob, stage="", created_at=0.0
    )
