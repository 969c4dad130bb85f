"""Lanes: a cheaper one until it is refused or the hour needs the other; paid once, by what was served."""

from __future__ import annotations

from collections import Counter

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.agents.pacing import Pacer, Rates
from assetmill.errors import (
    BudgetExceeded,
    NoCapacity,
    OutcomeUnknown,
    Rejected,
    StageFailed,
    StageInDoubt,
    Throttled,
)
from assetmill.money.budget import Ceiling
from assetmill.money.prices import estimate, lane_estimate
from assetmill.plan.calls import StageCall
from assetmill.records import Intent, Lane
from assetmill.stage.engine import run_stage
from assetmill.stage.hour import Durations, Hour, followers_s
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import RUN, Start
from tests.doubles import ScriptedGateway, always, message_item, stage_call

FULL = NoCapacity("Resource unavailable", "resource_unavailable", 429)
NO_LANE = Rejected("Flex processing is not supported for this model", "invalid_request_error", 400)
NO_AGENT = Rejected("service_tier is not allowed when agent is specified", "invalid_payload", 400)
MODEL = "gpt-5.6-luna"


def flex_call(**changes: object) -> StageCall:
    fields: dict[str, object] = {
        "model": MODEL,
        "lane": "flex",
        "tools": (),
        "outputs": (),
        "image_deployment": None,
    }
    return stage_call(**{**fields, **changes})


@pytest.fixture(autouse=True)
def served_as_posted(gateway: ScriptedGateway) -> None:
    """Answer in words, and say of each response that it was served in the lane it was posted in."""

    def script(request: ResponseRequest) -> list[dict[str, object]]:
        gateway.echo = {"service_tier": "flex" if request.lane == "flex" else "default"}
        return [message_item("a text")]

    gateway.script = script


def posting(gateway: ScriptedGateway, *flex: Exception, ever: Exception | None = None) -> list[Lane]:
    """Refuse posts in flex, some or all; return the list in which the lane of every post is noted."""
    tried: list[Lane] = []
    left = list(flex)

    def before(request: ResponseRequest) -> None:
        tried.append(request.lane)
        if request.lane == "flex" and (left or ever):
            raise left.pop(0) if left else ever or AssertionError

    gateway.before = before
    return tried


def intents(backend: MemoryStore) -> list[Intent]:
    keys = sorted(entry.key for entry in backend.list("v1/i/"))
    return [Intent.model_validate_json(backend.get(key)) for key in keys]


def by(services: Services, seconds: float, **fields: object) -> Services:
    services.hour = Hour(services.clock() + seconds, Durations(20.0, 60.0), **fields)  # type: ignore[arg-type]
    return services


def test_a_response_served_in_flex_costs_what_flex_costs(process: Start, gateway: ScriptedGateway) -> None:
    tried = posting(gateway)
    cheap = run_stage(flex_call(), process(), RUN)
    full = run_stage(flex_call(lane="now", prompt="draw a teal mug too"), process(), RUN)
    assert tried == ["flex", "now"]
    assert cheap.cost_usd is not None
    assert full.cost_usd is not None
    assert cheap.cost_usd == pytest.approx(full.cost_usd / 2)
    assert (cheap.usage.service_tier, full.usage.service_tier) == ("flex", None)


@pytest.mark.parametrize("tier", ["default", "auto", None])
def test_what_is_not_said_to_be_served_in_flex_costs_the_normal_price(
    process: Start, gateway: ScriptedGateway, tier: str | None
) -> None:
    posting(gateway)
    gateway.script = always(message_item("a text"))
    gateway.echo = {"service_tier": tier}
    first = run_stage(flex_call(), process(), RUN)
    gateway.echo = {}
    second = run_stage(flex_call(lane="now", prompt="draw a teal mug too"), process(), RUN)
    assert first.cost_usd == second.cost_usd


def test_a_response_that_was_served_at_the_normal_price_ends_the_lane(
    process: Start, gateway: ScriptedGateway
) -> None:
    tried = posting(gateway)
    gateway.script = always(message_item("a text"))
    gateway.echo = {"service_tier": "default"}
    run_stage(flex_call(), process(), RUN)
    run_stage(flex_call(prompt="another"), process(), RUN)
    assert tried == ["flex", "now"]
    (seen,) = process().ledger.abilities(gateway.endpoint)
    assert (seen.ability, seen.holds, seen.evidence) == (
        "flex", False, "a response said service_tier: default",
    )  # fmt: skip


def test_without_capacity_the_lane_is_asked_again_and_nothing_is_paid_twice(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    tried = posting(gateway, FULL, FULL)
    record = run_stage(flex_call(), by(process(), 3600), RUN)
    assert tried == ["flex", "flex", "flex"]
    assert (record.attempt, len(gateway.posts)) == (3, 1)
    assert [intent.lane for intent in intents(backend)] == ["flex", "flex", "flex"]
    verdicts = [process().ledger.read_verdict("poster", record.fingerprint, n) for n in (1, 2)]
    assert [(v.kind, v.error, v.cost_usd) for v in verdicts if v] == [("refused", "NoCapacity", 0.0)] * 2


def test_the_hour_ends_the_wait_for_capacity(process: Start, gateway: ScriptedGateway) -> None:
    """As long as a response in flex still comes in time it is asked for, and then no longer."""
    tried = posting(gateway, ever=FULL)
    services = by(process(), 600)
    began = services.clock()
    run_stage(flex_call(), services, RUN)
    assert (tried[-1], len(gateway.posts)) == ("now", 1)
    assert len(tried) > 4
    assert services.clock() - began == pytest.approx(540, abs=1)


def test_where_flex_comes_too_late_the_normal_lane_is_taken_at_once(
    process: Start, gateway: ScriptedGateway
) -> None:
    tried = posting(gateway)
    run_stage(flex_call(), by(process(), 59), RUN)
    run_stage(flex_call(prompt="another"), by(process(), 61), RUN)
    assert tried == ["now", "flex"]


def test_the_hour_counts_what_the_quota_needs_for_all_that_is_left(
    process: Start, gateway: ScriptedGateway
) -> None:
    tried = posting(gateway)
    # Two minutes of quota, a minute in flex: three minutes and what follows the stage must be there.
    left = Counter({MODEL: 180})
    queue = {"a_minute": {MODEL: 60.0}, "left": left, "after_s": {"hero": 20.0}, "width": 64}
    early, late = by(process(), 199, **queue), by(process(), 201, **queue)
    for services in (early, late):
        services.pacer = Pacer({MODEL: Rates(requests=60.0)}, clock=services.clock)
    run_stage(flex_call(), early, RUN)
    run_stage(flex_call(prompt="another"), late, RUN)
    assert tried == ["now", "flex"]


def test_what_is_done_is_not_left(process: Start) -> None:
    services = by(process(), 600, a_minute={MODEL: 1.0}, left=Counter({MODEL: 3}))
    assert services.hour
    latest = services.hour.latest("hero", {})
    run_stage(flex_call(), services, RUN)
    assert services.hour.left[MODEL] == 2
    assert services.hour.latest("hero", {}) == latest + 60


def test_a_share_that_waits_for_its_slot_is_not_asked_of_the_quota_again(
    process: Start, gateway: ScriptedGateway
) -> None:
    """Whoever has its share waits for a slot: what is free has it taken off, and what is left must, too."""
    tried = posting(gateway)
    services = by(process(), 100, a_minute={MODEL: 60.0}, left=Counter({MODEL: 1}))
    services.pacer = Pacer({MODEL: Rates(requests=1.0)}, clock=services.clock)
    run_stage(flex_call(), services, RUN)
    assert tried == ["flex"]


def test_a_refused_share_is_left_again(process: Start, gateway: ScriptedGateway) -> None:
    services = by(process(), 3600, a_minute={MODEL: 1.0}, left=Counter({MODEL: 3}))
    assert services.hour
    left: list[int] = []
    wait = services.wait

    def watch(seconds: float) -> None:
        if seconds and services.hour:
            left.append(services.hour.left[MODEL])
        wait(seconds)

    services.__dict__["wait"] = watch
    posting(gateway, FULL)
    run_stage(flex_call(), services, RUN)
    assert 3 in left
    assert services.hour.left[MODEL] == 2


def test_a_stage_that_fails_is_not_left_either(process: Start, gateway: ScriptedGateway) -> None:
    services = by(process(), 600, left=Counter({MODEL: 3}))
    gateway.status = "failed"
    with pytest.raises(StageFailed):
        run_stage(flex_call(), services, RUN)
    assert services.hour
    assert services.hour.left[MODEL] == 2


def test_what_a_lane_refused_has_used_the_quota_up_that_others_need(process: Start) -> None:
    """Two requests are left and one is granted this minute: the hour needs the other one's minute."""
    hour = Hour(1000.0, Durations(20.0, 60.0), {MODEL: 60.0}, Counter({MODEL: 61}), width=64)
    assert hour.latest("hero", {MODEL: 61.0}) == 1000 - 60
    assert hour.latest("hero", {MODEL: 60.0}) == hour.latest("hero", {MODEL: 1.0}) == 1000 - 60 - 60
    assert hour.latest("hero", {MODEL: 0.0}) == 1000 - 120 - 60
    assert hour.queue_s("now") == 60


def test_what_the_last_minute_grants_goes_as_many_at_a_time_as_there_are_slots() -> None:
    hour = Hour(1000.0, Durations(3.0, 6.0), {MODEL: 60.0}, Counter({MODEL: 150}), width=24)
    assert hour.queue_s("now") == 120 + 3
    assert hour.queue_s("flex") == 120 + 6
    assert hour.queue_s("now", {MODEL: 30.0}) == 120 + 2 * 3
    assert hour.queue_s("now", {MODEL: 149.0}) == 60
    assert hour.queue_s("now", {MODEL: 150.0}) == 0


def test_followers_are_the_longest_chain_after_a_stage() -> None:
    needs = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    assert followers_s(needs, {"a": 1, "b": 2, "c": 5, "d": 3}) == {"a": 8, "b": 3, "c": 3, "d": 0}


def test_without_an_hour_half_of_the_stages_deadline_waits_for_capacity(
    process: Start, gateway: ScriptedGateway
) -> None:
    tried = posting(gateway, ever=FULL)
    services = process(stage_deadline_s=600)
    began = services.clock()
    run_stage(flex_call(), services, RUN)
    assert tried[-1] == "now"
    assert services.clock() - began == pytest.approx(300, abs=1)


def test_a_wait_for_capacity_leaves_the_normal_lane_its_whole_deadline(
    process: Start, gateway: ScriptedGateway
) -> None:
    """A quota that says no after hours of waiting is waited for like any other."""
    slow, tried = [Throttled("slow down", "", 429, 500.0)], list[Lane]()

    def before(request: ResponseRequest) -> None:
        tried.append(request.lane)
        if request.lane == "flex":
            raise FULL
        if slow:
            raise slow.pop()

    gateway.before = before
    run_stage(flex_call(), by(process(stage_deadline_s=600), 4000, after_s={"hero": 900.0}), RUN)
    assert tried[-2:] == ["now", "now"]


def test_a_lack_of_capacity_closes_no_quota(process: Start, gateway: ScriptedGateway) -> None:
    """The deployment is open to every stage in the normal lane; a quota's own 429 closes it."""
    for refusal, is_closed in ((FULL, False), (Throttled("slow", "", 429, 30.0), True)):
        services = process()
        closed: list[bool] = []
        posting(gateway, refusal)
        _watch_pacer(services, closed)
        run_stage(flex_call(prompt=str(is_closed)), services, RUN)
        assert any(closed) is is_closed


def _watch_pacer(services: Services, closed: list[bool]) -> None:
    """Note at every wait whether the pacer counts the deployment as refused."""
    wait = services.wait

    def watch(seconds: float) -> None:
        closed.append(services.pacer.refused_until(MODEL) is not None)
        wait(seconds)

    services.__dict__["wait"] = watch


@pytest.mark.parametrize("refusal", [NO_LANE, NO_AGENT])
def test_a_definite_no_to_the_lane_is_followed_by_the_normal_one_at_once(
    process: Start, gateway: ScriptedGateway, refusal: Rejected
) -> None:
    tried = posting(gateway, ever=refusal)
    services = process()
    began = services.clock()
    record = run_stage(flex_call(), services, RUN)
    run_stage(flex_call(prompt="another"), services, RUN)
    assert tried == ["flex", "now", "now"]
    assert (record.attempt, services.clock()) == (2, began)
    assert any(str(refusal) in notice for notice in services.notices)


def test_what_an_endpoint_said_of_agents_is_remembered_by_every_process(
    process: Start, gateway: ScriptedGateway
) -> None:
    tried = posting(gateway, ever=NO_AGENT)
    run_stage(flex_call(), process(), RUN)
    run_stage(flex_call(prompt="another"), process(), RUN)
    assert tried == ["flex", "now", "now"]


def test_a_request_that_is_refused_in_both_lanes_fails_as_ever(
    process: Start, gateway: ScriptedGateway
) -> None:
    tried: list[Lane] = []

    def before(request: ResponseRequest) -> None:
        tried.append(request.lane)
        raise Rejected("no such size", "invalid_value", 400)

    gateway.before = before
    with pytest.raises(StageFailed, match="no such size"):
        run_stage(flex_call(), process(), RUN)
    assert tried == ["flex", "now"]


def test_silence_in_a_lane_is_looked_up_and_changes_no_lane(process: Start, gateway: ScriptedGateway) -> None:
    tried = posting(gateway, OutcomeUnknown("reset"))
    with pytest.raises(StageInDoubt):
        run_stage(flex_call(), by(process(), 3600), RUN)
    assert len(tried) == 1


def test_an_adopted_response_costs_what_it_was_served_as(process: Start, gateway: ScriptedGateway) -> None:
    lost = [OutcomeUnknown("the reply was lost")]
    posting(gateway)
    gateway.after = lambda _: (_ for _ in ()).throw(lost.pop()) if lost else None
    record = run_stage(flex_call(), process(), RUN)
    assert (record.usage.service_tier, len(gateway.posts)) == ("flex", 1)


def reserved(gateway: ScriptedGateway, backend: MemoryStore, process: Start) -> list[float | None]:
    run_stage(flex_call(), process(), RUN)
    run_stage(flex_call(prompt="draw a teal mug."), process(), RUN)
    return [intent.reserved_usd for intent in sorted(intents(backend), key=lambda one: one.created_at)]


def test_the_lanes_price_is_reserved_once_the_endpoint_has_served_in_it(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    posting(gateway)
    full = lane_estimate(flex_call(), "now").ceiling
    first, second = sorted(filter(None, reserved(gateway, backend, process)), reverse=True)
    assert first == pytest.approx(full, rel=0.01)
    assert second == pytest.approx(full / 2, rel=0.01)


def test_a_change_of_lane_reserves_the_normal_price(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    posting(gateway)
    run_stage(flex_call(), process(), RUN)
    posting(gateway, ever=FULL)
    call = flex_call(prompt="another")
    full = lane_estimate(call, "now").ceiling
    services = by(process(Ceiling("project", full * 1.01)), 100)
    record = run_stage(call, services, RUN)
    assert services.budget.committed_usd("project") == record.cost_usd
    assert intents(backend)[-1].reserved_usd == full or intents(backend)[0].reserved_usd == full


def test_where_no_ceiling_has_room_for_the_normal_lane_the_cheaper_one_goes_on(
    process: Start, gateway: ScriptedGateway
) -> None:
    posting(gateway)
    run_stage(flex_call(), process(), RUN)
    tried = posting(gateway)
    call = flex_call(prompt="another")
    full = lane_estimate(call, "now").ceiling
    run_stage(call, by(process(Ceiling("project", full * 0.6)), 5), RUN)
    assert tried == ["flex"]
    with pytest.raises(BudgetExceeded):
        run_stage(flex_call(prompt="a third"), by(process(Ceiling("day/x", full * 0.4)), 5), RUN)


def test_an_estimate_in_a_lane_promises_no_more_than_the_normal_price_allows() -> None:
    call = flex_call()
    cheap, full = estimate(call), estimate(flex_call(lane="now"))
    assert cheap.expected == pytest.approx(full.expected / 2)
    assert cheap.ceiling == full.ceiling
