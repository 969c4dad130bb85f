"""A run whose pictures reviewers must approve: it ends, waits without holding anything, and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.errors import RunFailed, RunWaiting
from assetmill.plan.plan import Plan
from assetmill.records import AssetRecord, RunManifest
from assetmill.reviews.desk import Desk
from assetmill.runs.planning import plan_pipeline
from assetmill.runs.run import check_outcome
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.batchworks import colourful
from tests.doubles import ScriptedGateway
from tests.millworks import PICTURE, run_here, services_on, settings_in
from tests.reviewyard import desk_for, say

HERO = f"""
name: hero
parameters:
  subject: {{title: Subject, default: a teal mug}}
stages:
  - name: draw
    prompt: |
      Draw {{{{ subject }}}}.{{% if rejection.reason %}} Not so: {{{{ rejection.reason }}}}.{{% endif %}}
    reroll: 2
    approval: required{PICTURE % "hero"}
  - name: banner
    prompt: A banner of it.
    inputs: [{{from: draw}}]{PICTURE % "banner"}
"""
TWO = HERO.replace("name: hero\n", "name: two\n", 1).replace(
    "required", "{by: [brand], count: 2, within: 3d, else: reject}"
)
PLAIN = (
    HERO.replace("name: hero\n", "name: plain\n", 1)
    .replace("    reroll: 2\n", "")
    .replace("{% if rejection.reason %} Not so: {{ rejection.reason }}.{% endif %}", "")
)


@pytest.fixture
def gateway() -> ScriptedGateway:
    return colourful()


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, hero=HERO, two=TWO, plain=PLAIN), MemoryStore(), gateway)
    yield services
    services.close()


@pytest.fixture
def desk(services: Services) -> Desk:
    return desk_for(services)


def states(manifest: RunManifest) -> list[str]:
    return [entry.status for entry in manifest.stages]


def drawn(manifest: RunManifest) -> AssetRecord:
    return next(asset for asset in manifest.assets() if asset.role == "output")


def plan_of(services: Services, name: str = "hero") -> Plan:
    return plan_pipeline(name, {}, services.settings, services.ledger)


@pytest.mark.usefixtures("desk")
def test_a_run_draws_what_is_to_be_approved_and_ends_there(
    services: Services, gateway: ScriptedGateway
) -> None:
    run = run_here(services, "hero")
    assert (run.status, states(run)) == ("waiting", ["waiting", "skipped"])
    assert len(gateway.posts) == 1
    assert run.spent_usd
    with pytest.raises(RunWaiting, match="draw: waits for approval"):
        check_outcome(run)
    again = run_here(services, "hero")
    assert (again.status, again.spent_usd, len(gateway.posts)) == ("waiting", 0.0, 1)


def test_after_the_approval_the_next_run_goes_on_and_pays_nothing_again(
    services: Services, gateway: ScriptedGateway, desk: Desk
) -> None:
    first = run_here(services, "hero")
    say(desk, "approved", drawn(first))
    assert [stage.status for stage in plan_of(services).stages] == ["reuse", "run"]
    second = run_here(services, "hero")
    assert (second.status, states(second)) == ("completed", ["reused", "done"])
    assert len(gateway.posts) == 2
    assert second.stages[0].fingerprint == first.stages[0].fingerprint


def test_one_of_two_is_not_enough_and_others_do_not_count(services: Services, desk: Desk) -> None:
    hero = drawn(run_here(services, "two"))
    for name in ("ada", "cy"):
        say(desk, "approved", hero, name)
        assert plan_of(services, "two").stages[0].reason == "waits for approval of brand: 1 of 2"
        assert run_here(services, "two").status == "waiting"
    say(desk, "approved", hero, "bo")
    assert run_here(services, "two").status == "completed"


def test_who_is_not_asked_cannot_have_it_drawn_again(services: Services, desk: Desk) -> None:
    hero = drawn(run_here(services, "two"))
    say(desk, "rejected", hero, "cy", "I would rather have a dog")
    assert plan_of(services, "two").stages[0].status == "review"


def test_a_withdrawn_approval_holds_what_follows_again(services: Services, desk: Desk) -> None:
    hero = drawn(run_here(services, "hero"))
    say(desk, "approved", hero)
    say(desk, "withdrawn", hero)
    assert run_here(services, "hero").status == "waiting"


def test_a_rejection_is_drawn_again_at_the_price_that_the_plan_shows(
    services: Services, gateway: ScriptedGateway, desk: Desk
) -> None:
    first = run_here(services, "hero")
    say(desk, "rejected", drawn(first), reason="the handle is cut off")
    plan = plan_of(services)
    again = plan.stages[0]
    assert (again.status, again.reason) == ("run", "rejected: the handle is cut off; drawn again")
    assert plan.stages[1].status == "held"
    assert again.cost
    assert plan.cost == again.cost
    second = run_here(services, "hero")
    assert second.status == "waiting"
    assert second.spent_usd
    assert second.spent_usd <= plan.cost.ceiling
    assert 'Not so: "the handle is cut off".' in str(gateway.posts[-1])
    say(desk, "approved", drawn(second))
    assert run_here(services, "hero").status == "completed"
    assert len(gateway.posts) == 3


def test_a_reason_that_is_worded_anew_is_not_drawn_for_once_more(
    services: Services, gateway: ScriptedGateway, desk: Desk
) -> None:
    first = drawn(run_here(services, "hero"))
    say(desk, "rejected", first, reason="too dark")
    second = run_here(services, "hero")
    say(desk, "rejected", first, reason="far too dark")
    say(desk, "rejected", first, "bo", "and I agree")
    assert plan_of(services).stages[0].status == "review"
    say(desk, "approved", drawn(second))
    assert run_here(services, "hero").status == "completed"
    assert len(gateway.posts) == 3


def test_rejections_draw_no_more_often_than_reroll_allows(
    services: Services, gateway: ScriptedGateway, desk: Desk
) -> None:
    for number in range(3):
        say(desk, "rejected", drawn(run_here(services, "hero")), reason=f"no {number}")
    last = run_here(services, "hero")
    assert (last.status, states(last)) == ("failed", ["rejected", "skipped"])
    assert len(gateway.posts) == 3
    with pytest.raises(RunFailed, match="rejected by ada: no 2"):
        check_outcome(last)


def test_without_reroll_a_rejection_draws_nothing(
    services: Services, gateway: ScriptedGateway, desk: Desk
) -> None:
    say(desk, "rejected", drawn(run_here(services, "plain")), reason="no")
    assert plan_of(services, "plain").stages[0].status == "rejected"
    assert run_here(services, "plain").status == "failed"
    assert len(gateway.posts) == 1


def test_a_rejection_that_is_withdrawn_brings_the_first_draw_back(services: Services, desk: Desk) -> None:
    first = drawn(run_here(services, "hero"))
    say(desk, "rejected", first, reason="no")
    run_here(services, "hero")
    say(desk, "withdrawn", first)
    say(desk, "approved", first)
    done = run_here(services, "hero")
    assert done.status == "completed"
    assert drawn(done).asset_id == first.asset_id


@pytest.mark.parametrize(("word", "status"), [("reject", "rejected"), ("approve", "reuse")])
def test_the_clock_decides_where_nobody_has(
    services: Services, desk: Desk, monkeypatch: pytest.MonkeyPatch, word: str, status: str
) -> None:
    path = services.settings.configs / "pipelines" / "two.yaml"
    path.write_text(TWO.replace("else: reject", f"else: {word}"))
    hero = drawn(run_here(services, "two"))
    monkeypatch.setattr("time.time", lambda: hero.created_at + 3 * 86400 - 1)
    assert plan_of(services, "two").stages[0].status == "review"
    monkeypatch.setattr("time.time", lambda: hero.created_at + 3 * 86400)
    late = plan_of(services, "two").stages[0]
    assert late.status == status
    assert "nobody has decided on hero.png in time" in late.reason
    # A reason is what a further draw is made for: the clock has none.
    assert late.call
    assert "rejected" not in late.call.extra
    say(desk, "approved", hero, "ada")
    say(desk, "approved", hero, "bo")
    assert plan_of(services, "two").stages[0].status == "reuse"


def test_a_pipeline_that_asks_for_approval_keeps_its_first_fingerprints(services: Services) -> None:
    path = services.settings.configs / "pipelines" / "plain.yaml"
    with_approval = plan_of(services, "plain").stages[0].call
    path.write_text(PLAIN.replace("    approval: required\n", ""))
    without = plan_of(services, "plain").stages[0].call
    assert with_approval
    assert without
    assert with_approval.fingerprint == without.fingerprint


def test_without_reviewers_a_plan_says_who_could_approve(services: Services) -> None:
    run_here(services, "hero")
    assert "assetmill reviewers add NAME" in plan_of(services).stages[0].reason
