"""Stages that run here instead of on the service: masks, composites, reports, what `make` makes.

They cost nothing and leave the same records as paid stages, found by fingerprint and committed once, so that
lineage, reuse and export know no difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assetmill import progress
from assetmill.fingerprint import fingerprint
from assetmill.names import safe_name, stage_label
from assetmill.progress import StageEvent
from assetmill.records import (
    AssetId,
    AssetKind,
    AssetRecord,
    AssetRole,
    RunId,
    StageRecord,
    make_asset_id,
)
from assetmill.stage.services import Services
from assetmill.stage.signing import Brought, with_manifest

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class LocalFile:
    """One file that a local stage made. Width and height are those of a picture.

    `parents` are what is in it, where not everything that the stage works on is; `actions` what was done to
    it, in the words of content credentials.
    """

    name: str
    data: bytes
    media_type: str
    kind: AssetKind
    role: AssetRole
    width: int | None = None
    height: int | None = None
    parents: tuple[AssetId, ...] | None = None
    actions: tuple[str, ...] = ("c2pa.edited",)
    shown: tuple[AssetId | Brought, ...] | None = None
    """What is in it in its order, a person's own files among it; None: its parents."""

    @classmethod
    def picture(
        cls, name: str, data: bytes, size: tuple[int, int], role: AssetRole, media_type: str = "image/png"
    ) -> LocalFile:
        """Return a picture of `size` pixels."""
        return cls(name, data, media_type, "picture", role, size[0], size[1])


@dataclass(frozen=True)
class LocalStage:
    """What a local stage is and what decides its result. `parents`: what it works on, the main one first."""

    pipeline: str
    stage: str
    variant: str
    deciding: Facts
    parents: tuple[AssetId, ...] = ()
    prompt: str = ""

    @property
    def label(self) -> str:
        """The stage's name with its variant."""
        return stage_label(self.stage, self.variant)


Make = Callable[[], tuple[Sequence[LocalFile], Facts]]
"""Does the work: the files, and the figures that the record keeps beside them."""


def run_local(local: LocalStage, services: Services, run_id: RunId, make: Make) -> StageRecord:
    """Return the stage's commit, doing its work only when no earlier run has.

    Parents count like content: the same work on another asset is another asset.
    """
    return carry_out_local(
        local, {"format": 1, **local.deciding, "parents": list(local.parents)}, services, run_id, make
    )


def carry_out_local(
    local: LocalStage,
    deciding: dict[str, Any],
    services: Services,
    run_id: RunId,
    make: Make,
    *,
    made_with: Mapping[str, str] | None = None,
) -> StageRecord:
    """Return the commit of a stage that exactly `deciding` decides; see `run_local`.

    `made_with` are the versions of what wrote its files: another one may write other bytes.
    """
    fp = fingerprint(deciding)
    if record := services.ledger.read_stage(local.pipeline, fp):
        _tell(local, run_id, "reused", record)
        return record
    started_at = time.time()
    files, data = make()
    outputs = tuple(
        AssetRecord(
            asset_id=make_asset_id(local.pipeline, fp, ordinal),
            name=safe_name(file.name),
            kind=file.kind,
            blob=services.blobs.put(_signed(file, local, services), file.media_type),
            stage=local.stage,
            variant=local.variant,
            role=file.role,
            prompt=local.prompt,
            width=file.width,
            height=file.height,
            derived_from=local.parents if file.parents is None else file.parents,
            created_at=time.time(),
        )
        for ordinal, file in enumerate(files, start=1)
    )
    record = StageRecord(
        pipeline=local.pipeline,
        stage=local.stage,
        variant=local.variant,
        fingerprint=fp,
        deciding=deciding,
        attempt=1,
        run_id=run_id,
        made_by=(),
        outputs=outputs,
        data=dict(data) or None,
        made_with=dict(made_with or {}),
        cost_usd=0.0,
        started_at=started_at,
        finished_at=time.time(),
    )
    record = services.ledger.commit(record)
    _tell(local, run_id, "finished", record)
    return record


def _signed(file: LocalFile, local: LocalStage, services: Services) -> bytes:
    parents = local.parents if file.parents is None else file.parents
    return with_manifest(
        file.data,
        name=file.name,
        media_type=file.media_type,
        role=file.role,
        stage=local.stage,
        parents=parents if file.shown is None else file.shown,
        prompt=local.prompt,
        services=services,
        actions=file.actions,
    )


def _tell(local: LocalStage, run_id: RunId, event: progress.StageEventKind, record: StageRecord) -> None:
    seconds = record.finished_at - record.started_at if event == "finished" else 0.0
    progress.emit(StageEvent(event, local.label, run_id, seconds, 0.0))
