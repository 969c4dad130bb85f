"""Figures of queues, quotas and models, as they reach a collector."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.agents.pacing import Pacer, Rates
from assetmill.errors import OutcomeUnknown, StageInDoubt
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from assetmill.stage.figures import shown
from assetmill.store.memory import MemoryStore
from assetmill.traces import sending
from assetmill.traces.runs import traced_run
from tests.assetmill.traces.collector import Collector
from tests.doubles import stage_call
from tests.millworks import painter, services_on, settings_in


def test_a_quota_is_shown_with_what_was_taken_of_it_as_long_as_it_is_used(collector: Collector) -> None:
    pacer = Pacer({"gpt-5": Rates(requests=10.0, tokens=1000.0)})
    with shown(pacer):
        assert pacer.take("gpt-5", {"requests": 1.0, "tokens": 300.0}) == 0.0
        sending.flush()
    assert collector.figures("assetmill.quota.used") == {
        ("gpt-5", "requests"): 1.0,
        ("gpt-5", "tokens"): 300.0,
    }
    assert collector.figures("assetmill.quota.limit") == {
        ("gpt-5", "requests"): 10.0,
        ("gpt-5", "tokens"): 1000.0,
    }
    collector.bodies["/v1/metrics"].clear()
    sending.flush()
    assert "assetmill.quota.used" not in collector.metrics


def test_the_days_that_models_have_left_are_sent_at_once(collector: Collector) -> None:
    sending.tell_lifetimes({"gpt-5": 12, "gpt-image-1": -3})
    sending.tell_lifetimes({"gpt-5": 11})
    assert collector.figures("assetmill.model.days_left") == {("gpt-5",): 11}


def test_a_stage_in_doubt_is_counted(collector: Collector, tmp_path: Path) -> None:
    gateway = painter()
    settings = settings_in(tmp_path)
    foundry = settings.foundry.model_copy(update={"policy": "hold", "settle_s": 0.01, "lease_s": 0.01})
    services = services_on(settings.model_copy(update={"foundry": foundry}), MemoryStore(), gateway)

    def lost(_: object) -> None:
        raise OutcomeUnknown("the line was cut", "", 502)

    gateway.before = lost
    with pytest.raises(StageInDoubt), traced_run("poster", "run_1"):
        run_stage(stage_call(), services, RunId("run_1"))
    assert list(collector.figures("assetmill.in_doubt").values()) == [1]
    assert "assetmill.spend" not in collector.metrics
    (turn,) = (span for span in collector.spans if span.name.startswith("chat "))
    assert turn.status.code == 0


def test_processes_of_one_name_count_apart(collector: Collector) -> None:
    before = sending.opened()
    first = before.providers[0].resource.attributes
    for provider in before.providers:
        provider.shutdown()
    sending.opened.cache_clear()
    second = sending.opened().providers[0].resource.attributes
    assert first["service.name"] == second["service.name"] == "assetmill"
    assert first["service.instance.id"] != second["service.instance.id"]
