"""A run as `--json` shows it: `run` prints it at its end and `show` whenever it is asked."""

from __future__ import annotations

from typing import Any

from assetmill.cli.options import asset_json
from assetmill.records import RunManifest, StageEntry


def document(manifest: RunManifest) -> dict[str, Any]:
    """Return a run as `--json` shows it."""
    return {
        "run_id": manifest.run_id,
        "pipeline": manifest.pipeline,
        "status": manifest.status,
        "profile": manifest.profile,
        "parameters": manifest.parameters,
        "spent_usd": manifest.spent_usd,
        "started_at": manifest.started_at,
        "finished_at": manifest.finished_at,
        "flow_run_id": manifest.flow_run_id,
        "reused": sum(entry.status == "reused" for entry in manifest.stages),
        "stages": [_stage_json(entry) for entry in manifest.stages],
        "assets": [
            asset_json(asset, entry.record)
            for entry in manifest.stages
            if entry.record
            for asset in entry.record.outputs
        ],
    }


def _stage_json(entry: StageEntry) -> dict[str, Any]:
    record = entry.record
    return {
        "label": entry.label,
        "stage": entry.stage,
        "variant": entry.variant,
        "status": entry.status,
        "fingerprint": entry.fingerprint,
        "spent_usd": entry.spent_usd,
        "seconds": entry.seconds,
        "error": entry.error,
        "text": record.text if record else None,
        "responses": [made.response_id for made in record.made_by] if record else [],
        "assets": [asset.asset_id for asset in record.outputs] if record else [],
    }
