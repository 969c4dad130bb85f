"""A plan says which quota a run will keep to, and from where it has it."""

from __future__ import annotations

from pathlib import Path

from assetmill.runs.planning import plan_pipeline
from assetmill.runs.quotas import assumed_quotas
from assetmill.settings import Quota
from assetmill.store.memory import MemoryStore
from tests.millworks import painter, run_here, services_on, settings_in, wide


def test_each_model_deployment_is_named_with_its_quota_and_source(tmp_path: Path) -> None:
    services = services_on(settings_in(tmp_path, wide=wide(3)), MemoryStore(), painter())
    plan = plan_pipeline("wide", {}, services.settings, services.ledger)
    call = plan.stages[0].call
    assert call is not None
    quota = Quota.model_validate({"share": 0.5, "deployments": {call.model: {"requests": 60}}})
    told = list(assumed_quotas(plan, services.settings.model_copy(update={"quota": quota})))
    known = next(found for found in told if found.deployment == call.model)
    assert known.source == "profile"
    assert (
        known.text
        == f"quota of {call.model}: 60 requests a minute (from the profile), of which this process takes 50%"
    )
    assert all("none known" in found.text for found in told if found.deployment != call.model)
    run_here(services, "wide")
    again = plan_pipeline("wide", {}, services.settings, services.ledger)
    assert list(assumed_quotas(again, services.settings)) == []
    services.close()
