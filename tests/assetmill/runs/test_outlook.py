"""Both lanes of what is to be done by an hour: prices, arrivals, and what they rest on."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from assetmill.errors import SpendingClosed
from assetmill.plan.plan import Plan
from assetmill.records import RunManifest
from assetmill.runs.outlook import Outlook, durations_of, outlook_of
from assetmill.runs.planning import plan_pipeline
from assetmill.runs.run import begin_run
from assetmill.settings import Quota
from assetmill.stage.admission import Admission
from assetmill.stage.hour import Durations
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in, wide

NOW = 1_000_000.0


@pytest.fixture
def services(tmp_path: Path) -> Services:
    settings = settings_in(tmp_path, wide=wide(150), chain=CHAIN)
    model = settings.foundry.model
    quota = Quota.model_validate({"deployments": {model: {"requests": 60}}})
    run = settings.run.model_copy(update={"concurrency": 64})
    return services_on(settings.model_copy(update={"quota": quota, "run": run}), MemoryStore(), painter())


def planned(services: Services, name: str) -> Plan:
    return plan_pipeline(name, {}, services.settings, services.ledger, has_hour=True)


def outlook(
    services: Services, name: str, by: float = NOW + 3600, newest: RunManifest | None = None
) -> Outlook:
    return outlook_of(planned(services, name), services.settings, by, newest, NOW)


def test_an_arrival_is_the_quotas_minutes_and_one_response(services: Services) -> None:
    told = outlook(services, "wide")
    # 150 requests at 60 a minute: the last may go after two minutes.
    assert told.flex
    assert (told.normal.at - NOW, told.flex.at - NOW) == (3 * 60 + 0, 2 * 900 + 900)
    usual = outlook_of(
        planned(services, "wide"), services.settings, NOW + 3600, manifest(services, 5.0, 20.0), NOW
    )
    assert usual.flex
    assert (usual.normal.at - NOW, usual.flex.at - NOW) == (125, 140)


def test_stages_that_follow_each_other_add_up(services: Services) -> None:
    told = outlook(services, "chain", newest=manifest(services, 5.0, 20.0))
    assert told.flex
    assert (told.normal.at - NOW, told.flex.at - NOW) == (10, 40)


def test_flex_costs_less_and_a_lane_is_named_for_each_stage(services: Services) -> None:
    told = outlook(services, "wide")
    assert told.flex
    assert told.flex.cost.expected < told.normal.cost.expected
    assert told.flex.cost.ceiling == pytest.approx(told.normal.cost.ceiling)
    assert (told.stages, told.in_flex) == (150, 150)


def test_an_hour_that_no_lane_holds_is_said(services: Services) -> None:
    late = outlook(services, "wide", by=NOW + 60)
    assert not late.is_met
    assert "cannot be met" in next(iter(late.lines()))


def test_lines_fit_a_narrow_terminal(services: Services) -> None:
    lines = list(outlook(services, "wide").lines())
    assert max(map(len, lines)) <= 50
    assert [line.split()[0] for line in lines] == ["by", "normal", "flex", "150", "a", "one"]
    assert all("assumed" in line for line in lines[-2:])


def test_without_a_lane_the_outlook_says_so(services: Services) -> None:
    plan = plan_pipeline("wide", {}, services.settings, services.ledger)
    told = outlook_of(plan, services.settings, NOW + 3600, None, NOW)
    assert told.flex is None
    assert "  no stage can go in a cheaper lane" in told.lines()


def test_what_keeps_a_stage_out_of_the_lane_is_named_with_its_source(services: Services) -> None:
    foundry = services.settings.foundry.model_copy(update={"endpoint": "https://x.services.ai.azure.com"})
    services.settings = services.settings.model_copy(update={"foundry": foundry})
    told = outlook(services, "wide")
    assert told.flex is None
    (reason,) = told.obstacles
    assert "no public source says that an agent's response takes the flex lane" in reason
    assert "2026-10-06" in reason
    assert f"  not in flex: {reason}" in told.lines()


def manifest(services: Services, now_s: float, flex_s: float) -> RunManifest:
    """A run of two stages, one in each lane, of which one took this long and the other that."""
    sealed = run_here(services_on(services.settings, MemoryStore(), painter()), "chain")
    entries = [
        entry.model_copy(
            update={
                "record": entry.record.model_copy(
                    update={
                        "started_at": 0.0,
                        "finished_at": seconds,
                        "usage": entry.record.usage.model_copy(update={"service_tier": tier}),
                    }
                )
            }
        )
        for entry, seconds, tier in zip(sealed.stages, (now_s, flex_s), (None, "flex"), strict=True)
        if entry.record
    ]
    return sealed.model_copy(update={"stages": tuple(entries)})


def test_how_long_a_response_takes_is_what_the_newest_run_saw(services: Services) -> None:
    assert durations_of(None) == Durations(60.0, 900.0, ())
    assert durations_of(manifest(services, 5.0, 20.0)) == Durations(5.0, 20.0, ("now", "flex"))


def test_each_run_keeps_its_own_hour_and_begins_nothing_after_it(services: Services) -> None:
    """Runs of one process share its services: the hour of one is not the other's."""
    by = services.clock() + 3600
    first = begin_run("chain", {}, services, "0" * 32, by=by)
    second = begin_run("chain", {}, services, "1" * 32, by=by + 60)
    third = begin_run("chain", {}, services, "2" * 32)
    assert [stage.asked.lane for stage in first.plan.stages if stage.asked] == ["flex", "flex"]
    hours = [services.hour_of(run.run_id) for run in (first, second, third)]
    assert [hour and hour.by for hour in hours] == [by, by + 60, None]
    assert hours[0]
    assert hours[0].after_s == {"first": 60.0, "second": 0.0}
    services.clock = lambda: by + 1
    for run, is_late in ((first, True), (second, False), (third, False)):
        call = run.begin("first")
        assert call
        admission = Admission(call, services, run.run_id)
        with pytest.raises(SpendingClosed) if is_late else contextlib.nullcontext():
            admission.check_gate()
