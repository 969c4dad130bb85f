"""Which stages of a run under way were there before it: what its plan found, planned once more."""

from __future__ import annotations

from collections.abc import Mapping

from assetmill.errors import InvalidInput
from assetmill.gallery.underway import Reused
from assetmill.records import RunStart, StageRecord
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import Settings
from assetmill.store.ledger import Ledger


def reused_in(settings: Settings, ledger: Ledger) -> Reused:
    """Return how to find what a run reuses; nothing where its file is not here, or is another by now."""

    def reused(start: RunStart) -> Mapping[str, StageRecord]:
        if not start.spec_path:
            return {}
        try:
            plan = plan_pipeline(start.spec_path, start.parameters, settings, ledger)
        except InvalidInput:
            return {}
        if plan.spec_digest != start.spec_digest:
            return {}
        return {stage.label: stage.record for stage in plan.stages if stage.record}

    return reused
