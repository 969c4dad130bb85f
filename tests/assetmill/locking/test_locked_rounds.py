"""A picture that was drawn again after a rejection: its lock knows the rounds, and asks no store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.locking.checking import check_lock
from assetmill.locking.lockfile import format_lock, parse_lock
from assetmill.locking.making import lock_plan
from assetmill.locking.models import Lock, PlanRef
from assetmill.plan.rounds import rejections_of
from assetmill.runs.planning import plan_pipeline
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.batchworks import colourful
from tests.millworks import PICTURE, run_here, services_on, settings_in
from tests.reviewyard import desk_for, say

HERO = f"""
name: hero
stages:
  - name: draw
    prompt: "Draw a mug. {{{{ rejection.reason }}}}"
    reroll: 3
    approval: required{PICTURE % "hero"}
  - name: banner
    prompt: A banner of it.
    inputs: [{{from: draw}}]{PICTURE % "banner"}
"""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, hero=HERO), MemoryStore(), colourful())
    yield services
    services.close()


@pytest.fixture
def lock(services: Services) -> Lock:
    """The lock of a picture that was approved in its third round."""
    desk = desk_for(services)
    for reason in ("too dark", 'still "dark"'):
        say(desk, "rejected", run_here(services, "hero").assets()[0], reason=reason)
    say(desk, "approved", run_here(services, "hero").assets()[0])
    run = run_here(services, "hero")
    assert run.status == "completed"
    assert run.stages[0].record
    assert [reason for _, reason in rejections_of(run.stages[0].record)] == ["too dark", 'still "dark"']
    plan = plan_pipeline("hero", {}, services.settings, services.ledger)
    return lock_plan(Lock(), "assets", plan, PlanRef(pipeline="hero", profile="local", parameters={}))


def problems(lock: Lock, services: Services) -> list[tuple[str, str, tuple[str, ...]]]:
    read = parse_lock(format_lock(lock).encode())
    found = check_lock(read, services.settings.configs.parent, lambda _: services.settings, with_files=False)
    return [(one.kind, one.stage, one.changed) for one in found]


def test_what_was_drawn_again_is_as_locked(lock: Lock, services: Services) -> None:
    assert problems(lock, services) == []


def test_another_prompt_makes_it_stale_whatever_its_rounds(lock: Lock, services: Services) -> None:
    path = services.settings.configs / "pipelines" / "hero.yaml"
    path.write_text(HERO.replace("Draw a mug.", "Draw a cup."))
    kinds = [(kind, stage) for kind, stage, _ in problems(lock, services)]
    assert kinds == [("stale", "draw"), ("stale", "banner")]


def test_rounds_that_were_made_up_make_nothing_current(lock: Lock, services: Services) -> None:
    path = next(path for path, asset in lock.asset.items() if asset.stage == "draw")
    first = lock.asset[path].rejections[0]
    forged = lock.asset[path].model_copy(update={"rejections": [first]})
    kinds = [kind for kind, *_ in problems(lock.changed(asset={**lock.asset, path: forged}), services)]
    assert kinds == ["stale", "stale"]
