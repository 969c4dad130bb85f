"""A plan from a profile and a store: the pure plan, asked with what the store knows."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from assetmill.agents.told import told_ends
from assetmill.fingerprint import Fingerprint
from assetmill.money.prices import estimate, prices_for
from assetmill.plan.binder import ProfileDefaults
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Cost, Plan, make_plan
from assetmill.plan.rounds import Words
from assetmill.project import REVIEWERS
from assetmill.records import AssetId, AssetRecord, StageRecord
from assetmill.settings import Settings
from assetmill.spec.loading import load_pipeline
from assetmill.spec.pipeline import LoadedPipeline
from assetmill.store.ledger import Ledger


def plan_pipeline(
    name_or_path: str,
    parameters: Mapping[str, Any],
    settings: Settings,
    ledger: Ledger | None,
    *,
    has_hour: bool = False,
) -> Plan:
    """Read a pipeline and plan it against a ledger; without one, nothing counts as made.

    With an hour to be done by, stages that name no lane take a cheaper one where they can.

    Costs three requests when nothing has changed since the newest run, however many stages there are.

    Raises:
        InvalidInput: the pipeline, its parameters or its files are not valid; all of it before any spend.
    """
    return plan_loaded(
        load_pipeline(name_or_path, settings.configs), parameters, settings, ledger, has_hour=has_hour
    )


def plan_loaded(
    loaded: LoadedPipeline,
    parameters: Mapping[str, Any],
    settings: Settings,
    ledger: Ledger | None,
    today: datetime.date | None = None,
    *,
    has_hour: bool = False,
) -> Plan:
    """Plan a pipeline that was read already; see `plan_pipeline`. `today` decides which models are gone."""
    known = KnownStages(ledger, loaded.name)
    prices = prices_for(settings)

    def priced(call: StageCall, coming: int) -> Cost:
        return estimate(call, prices, coming=coming)

    return make_plan(
        loaded,
        parameters,
        defaults=ProfileDefaults.of(
            settings, told_ends(settings.home, settings.foundry.endpoint), has_hour=has_hour
        ),
        lookup=known.stage,
        assets=known.asset,
        estimate=priced,
        today=today,
        words=words_of(settings, ledger, loaded),
    )


def words_of(settings: Settings, ledger: Ledger | None, loaded: LoadedPipeline) -> Words | None:
    """Return what reviewers have said; None where nobody's word says anything of what a pipeline makes."""
    if ledger is None or not loaded.spec.hears_reviewers:
        return None
    if not loaded.spec.needs_approval and not (settings.configs / REVIEWERS).is_file():
        return None
    from assetmill.runs.reviewed import StoredWords  # a plan that asks nobody must not wait for it

    return StoredWords(settings, ledger.backend, ledger)


_ONE_BY_ONE = 16
"""Stages that the newest run does not know are asked for one by one; after so many, the store lists all."""


class KnownStages:
    """What a ledger knows of a pipeline, in a few requests however many stages there are to plan."""

    def __init__(self, ledger: Ledger | None, pipeline: str) -> None:
        self._ledger, self._pipeline = ledger, pipeline
        self._asked = 0
        newest = ledger.latest_manifest(pipeline) if ledger else None
        entries = newest.stages if newest else ()
        self._records = {entry.fingerprint: entry.record for entry in entries if entry.record}

    def stage(self, pipeline: str, fp: Fingerprint) -> StageRecord | None:
        """Return a finished stage."""
        if (record := self._records.get(fp)) or self._ledger is None:
            return record
        self._asked += 1
        if self._asked > _ONE_BY_ONE and pipeline == self._pipeline and fp not in self._finished:
            return None
        return self._ledger.read_stage(pipeline, fp)

    @cached_property
    def _finished(self) -> set[Fingerprint]:
        return self._ledger.finished(self._pipeline) if self._ledger else set()

    def asset(self, asset_id: AssetId) -> AssetRecord | None:
        """Return a stored asset; an ID that is none of ours is not there."""
        try:
            return self._ledger.read_asset(asset_id) if self._ledger else None
        except ValueError:
            return None
