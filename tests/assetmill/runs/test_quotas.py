"""A plan says which quota a run will keep to, and from where it has it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from assetmill.agents.gateway import Gateway
from assetmill.agents.told_limits import read_limits
from assetmill.errors import InvalidInput
from assetmill.runs.outlook import hour_for
from assetmill.runs.planning import plan_pipeline
from assetmill.runs.quotas import assumed_quotas
from assetmill.settings import Quota, Settings
from assetmill.stage.hour import Durations
from assetmill.stage.services import Services, Wait
from assetmill.store.memory import MemoryStore
from tests.millworks import painter, run_here, services_on, settings_in, wide

TODAY = datetime.date(2026, 11, 29)
AT = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC).timestamp()


def test_each_model_deployment_is_named_with_its_quota_and_source(tmp_path: Path) -> None:
    services = services_on(settings_in(tmp_path, wide=wide(3)), MemoryStore(), painter())
    plan = plan_pipeline("wide", {}, services.settings, services.ledger)
    call = plan.stages[0].call
    assert call is not None
    quota = Quota.model_validate({"share": 0.5, "deployments": {call.model: {"requests": 60}}})
    told = list(assumed_quotas(plan, services.settings.model_copy(update={"quota": quota}), TODAY))
    known = next(found for found in told if found.deployment == call.model)
    assert known.source == "profile"
    assert (
        known.text
        == f"quota of {call.model}: 60 requests a minute (from the profile), of which this process takes 50%"
    )
    assert all("none known" in found.text for found in told if found.deployment != call.model)
    run_here(services, "wide")
    again = plan_pipeline("wide", {}, services.settings, services.ledger)
    assert list(assumed_quotas(again, services.settings, TODAY)) == []
    services.close()


HEADERS = {"x-ratelimit-limit-requests": "10", "x-ratelimit-renewalperiod-requests": "10"}


def test_what_an_answer_told_is_what_the_next_plan_and_run_begin_with(tmp_path: Path) -> None:
    settings = on_azure(settings_in(tmp_path, wide=wide(3)))
    services = services_on(settings, MemoryStore(), painter())
    services.clock = lambda: AT
    plan = plan_pipeline("wide", {}, settings, services.ledger)
    call = plan.stages[0].call
    assert call
    services.learn_limits(call.model, HEADERS)
    (told, other) = sorted(assumed_quotas(plan, settings, TODAY), key=lambda one: one.source, reverse=True)
    assert told.text == f"quota of {call.model}: 60 requests a minute (an answer told so on 2026-11-29)"
    assert (told.source, told.day, other.source) == ("told", "2026-11-29", "none")
    after_a_week = TODAY + datetime.timedelta(days=8)
    assert {one.source for one in assumed_quotas(plan, settings, after_a_week)} == {"none"}
    later = Services(settings, MemoryStore(), nobody, clock=lambda: AT)
    assert later.pacer.free() == {call.model: 60}
    hour = hour_for(
        AT, settings, taken={call.model: {"requests": 120.0}}, stages=2, needs={}, durations=Durations(),
        now=AT,
    )  # fmt: skip
    assert hour.a_minute == {call.model: 60}
    # What is told anew counts, though it is more; what the profile says stays where it is less.
    later.learn_limits(call.model, {"x-ratelimit-limit-requests": "90"})
    assert later.pacer.free() == {call.model: 90}
    later.learn_limits(call.model, {"x-ratelimit-limit-requests": "95"})
    assert later.pacer.free() == {call.model: 90}
    services.close()


def nobody(_settings: Settings, _wait: Wait) -> Gateway:
    raise AssertionError("to begin with a limit asks nobody")


def on_azure(settings: Settings) -> Settings:
    foundry = settings.foundry.model_copy(
        update={"endpoint": "https://f.services.ai.azure.com/api/projects/p"}
    )
    return settings.model_copy(update={"foundry": foundry})


def test_of_the_emulator_whose_quotas_are_switches_nothing_is_kept(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, wide=wide(3))
    assert settings.uses_emulator
    services = services_on(settings, MemoryStore(), painter())
    services.learn_limits("m", HEADERS)
    assert services.pacer.free() == {"m": 60}
    assert read_limits(settings, TODAY) == {}
    services.close()


def test_limits_that_cannot_be_read_say_which_file_to_delete(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, wide=wide(3))
    settings.home.mkdir(parents=True, exist_ok=True)
    for damage in (
        "{",
        json.dumps({settings.foundry.endpoint: {"m": {"requests": "x", "read": "2026-11-29"}}}),
    ):
        (settings.home / "limits.json").write_text(damage)
        with pytest.raises(InvalidInput, match=r"limits\.json is damaged"):
            read_limits(settings, TODAY)
