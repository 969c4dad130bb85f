"""A plan from a profile and a store: the pure plan, asked with what the store knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assetmill.binding.binder import Defaults
from assetmill.fingerprint import Fingerprint
from assetmill.money.prices import estimate
from assetmill.plan import Plan, make_plan
from assetmill.records import AssetId, AssetRecord, StageRecord
from assetmill.settings import Settings
from assetmill.spec.pipeline import load_pipeline
from assetmill.store.ledger import Ledger


def plan_pipeline(
    name_or_path: str, parameters: Mapping[str, Any], settings: Settings, ledger: Ledger | None
) -> Plan:
    """Read a pipeline and plan it against a ledger; without one, nothing counts as made.

    Costs two requests when nothing has changed since the newest run, however many stages there are.

    Raises:
        InvalidInput: the pipeline, its parameters or its files are not valid; all of it before any spend.
    """
    loaded = load_pipeline(name_or_path, settings.configs)
    defaults = Defaults.of(settings)
    known = Known(ledger, loaded.name)
    return make_plan(
        loaded, parameters, defaults=defaults, lookup=known.stage, assets=known.asset, estimate=estimate
    )


class Known:
    """What a ledger knows of a pipeline: the newest run's stages at once, others one by one."""

    def __init__(self, ledger: Ledger | None, pipeline: str) -> None:
        self._ledger = ledger
        newest = ledger.latest_manifest(pipeline) if ledger else None
        entries = newest.stages if newest else ()
        self._records = {entry.fingerprint: entry.record for entry in entries if entry.record}

    def stage(self, pipeline: str, fp: Fingerprint) -> StageRecord | None:
        """Return a finished stage."""
        record = self._records.get(fp)
        return record or (self._ledger.read_stage(pipeline, fp) if self._ledger else None)

    def asset(self, asset_id: AssetId) -> AssetRecord | None:
        """Return a stored asset; an ID that is none of ours is not there."""
        try:
            return self._ledger.read_asset(asset_id) if self._ledger else None
        except ValueError:
            return None
