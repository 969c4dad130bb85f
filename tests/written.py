"""Pipelines written by tests: loaded, planned, and gone through as a flow does, without a service."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assetmill.fingerprint import Digest, Fingerprint
from assetmill.plan.binder import ProfileDefaults
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Plan, make_plan
from assetmill.records import AssetRecord, BlobRef, RunId, StageRecord, make_asset_id
from assetmill.spec.loading import load_pipeline
from assetmill.spec.pipeline import LoadedPipeline

CONFIGS = Path(__file__).parents[1] / "configs"
DEFAULTS = ProfileDefaults("gpt-4.1-mini", "gpt-image-1.5", "pictures")
TODAY = datetime.date(2026, 11, 22)


def written(folder: Path, text: str) -> LoadedPipeline:
    """Load a pipeline named `p` from what comes after its name."""
    path = folder / "p.yaml"
    path.write_text(f"name: p\n{text}")
    return load_pipeline(str(path), CONFIGS)


def plan_of(
    pipeline: LoadedPipeline, ledger: Mapping[Fingerprint, StageRecord] | None = None, **given: Any
) -> Plan:
    known = ledger or {}
    return make_plan(pipeline, given, defaults=DEFAULTS, lookup=lambda _, fp: known.get(fp), today=TODAY)


def record_of(call: StageCall) -> StageRecord:
    """Pretend that a call made what it must."""
    outputs = tuple(
        AssetRecord(
            asset_id=make_asset_id(call.pipeline, call.fingerprint, number),
            name=output.name,
            kind=output.kind,
            blob=BlobRef(
                digest=Digest(f"sha256:{call.fingerprint}{number}"), size_bytes=1, media_type="image/png"
            ),
            stage=call.stage,
            variant=call.variant,
            created_at=0,
        )
        for number, output in enumerate(call.outputs)
    )
    return StageRecord(
        pipeline=call.pipeline,
        stage=call.stage,
        variant=call.variant,
        fingerprint=call.fingerprint,
        deciding=call.deciding(),
        attempt=1,
        run_id=RunId("r"),
        made_by=(),
        outputs=outputs,
        text=f"text of {call.label}",
        data={"n": call.label},
        started_at=0,
        finished_at=0,
    )


def run(plan: Plan) -> dict[str, StageRecord]:
    """Go through a plan as a flow does, and return all records by label."""
    records: dict[str, StageRecord] = {}
    for stage in plan.stages:
        assert set(stage.needs) <= set(records), "a stage came before one that it follows"
        call = stage.call or plan.bind(stage.label, records)
        records[stage.label] = stage.record or record_of(call)
    return records
