"""A ceiling that does not cover all is spent on rows that end, and what rows share is paid once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.batches.opening import RowOrder
from assetmill.batches.room import IDLE_S, MAY_BEGIN, Room
from assetmill.batches.row_plans import RowPlan
from assetmill.batches.urgent import UrgentPool
from assetmill.batches.work import RowWorker
from assetmill.errors import Rejected
from assetmill.money.budget import Ceiling
from assetmill.records import RunId
from assetmill.stage.services import Services
from assetmill.stage.slots import Slots
from assetmill.store.memory import MemoryStore
from tests.batchworks import carry_out, colourful, plan_batch, products, run_rows, states, work_on
from tests.doubles import ScriptedGateway
from tests.millworks import CHAIN, services_on, settings_in

RUN = RunId("run_0000000000_00000000")


@pytest.fixture
def gateway() -> ScriptedGateway:
    return colourful()


@pytest.fixture
def chains(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    """Rows of two stages, of which each needs the one before."""
    services = services_on(settings_in(tmp_path / "chains", chain=CHAIN), MemoryStore(), gateway)
    yield services
    services.close()


def with_slots(services: Services, count: int) -> Services:
    run = services.settings.run.model_copy(update={"concurrency": count})
    return replace(services, settings=services.settings.model_copy(update={"run": run}))


def subjects(folder: Path, count: int) -> str:
    path = folder / "subjects.csv"
    path.write_text("subject\n" + "".join(f"thing {n}\n" for n in range(count)))
    return str(path)


@pytest.mark.parametrize("order", ["rows", "stages"])
def test_a_ceiling_finishes_rows_rather_than_begins_them(
    chains: Services, gateway: ScriptedGateway, tmp_path: Path, order: RowOrder
) -> None:
    rows = subjects(tmp_path, 12)
    planned = plan_batch(chains, rows, "chain")
    a_row = planned.totals.cost.ceiling / 12
    manifest = run_rows(chains, rows, "chain", budget_usd=3.2 * a_row, order=order)
    done = states(manifest).count("done")
    if order == "rows":
        assert 3 <= done < 12
        assert states(manifest) == ["done"] * done + ["over_budget"] * (12 - done)
        assert len(gateway.posts) == 2 * done, "a row was begun that could not be finished"
    else:
        assert len(gateway.posts) > 2 * done


def test_a_freed_slot_goes_to_the_row_whose_stage_has_ended(
    chains: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    """A row that waits for its first slot must not come between two stages of another."""
    services = with_slots(chains, 1)
    batch = plan_batch(services, subjects(tmp_path, 3), "chain")
    work = RowWorker(batch, RUN, str(uuid.uuid4()), RUN, rows_at_once=1)
    work.carry_out([plan.row for plan in batch.plans])
    work.close()
    stages = ["second" if "again" in str(request.input) else "first" for request in gateway.posts]
    assert stages == ["first", "second"] * 3


def test_a_row_more_begins_when_those_under_way_leave_a_slot_empty(
    services: Services, tmp_path: Path
) -> None:
    """They wait for something, or do local stages, of which nobody needs to know here."""
    now = [0.0]
    services.slots = Slots(1, lambda: now[0], lambda _: None)
    plans = plan_batch(services, products(tmp_path, "a", "b", "c")).plans
    room = Room(services, RUN, plans, rows_at_once=1)
    first, second, third = (room.ask(plan.row.number) for plan in plans)
    with services.slots.take():
        now[0] += 2 * IDLE_S
        end_a_stage(room, plans[0])
    now[0] += IDLE_S / 2
    end_a_stage(room, plans[0])
    assert (first.result(0), second.done()) == (MAY_BEGIN, False)
    now[0] += IDLE_S
    end_a_stage(room, plans[0])
    assert (second.result(0), third.done()) == (MAY_BEGIN, False)
    with services.slots.take():
        end_a_stage(room, plans[0])
        room.leave([plans[0].row.number])
        assert not third.done(), "the slot is taken, and a row is under way"
        room.leave([plans[1].row.number])
        assert third.result(0) == MAY_BEGIN


def end_a_stage(room: Room, plan: RowPlan) -> None:
    room.end(plan.row.number, plan.stages[0].identity, is_paid=True)


def test_rows_left_by_a_ceiling_are_not_called_failed(services: Services, tmp_path: Path) -> None:
    manifest = run_rows(services, products(tmp_path, "a mug", "a lamp"), budget_usd=0.001)
    assert states(manifest) == ["over_budget"] * 2
    statuses = [stage.status for row in manifest.rows for stage in row.stages]
    assert statuses == ["over_budget", "over_budget", "skipped"] * 2
    assert "what is left of its row may cost" in (manifest.rows[0].reason or "")


def test_a_shared_stage_is_paid_once_under_a_ceiling(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, *(f"thing {n}" for n in range(8)))
    whole = plan_batch(services, rows).totals.cost.ceiling
    manifest = run_rows(services, rows, budget_usd=whole)
    assert (manifest.status, len(gateway.posts)) == ("completed", 1 + 8 * 2)


def test_a_row_pays_for_what_the_row_before_it_was_to_share(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    """The first row fails before it has paid for the stage that others share."""
    rows = products(tmp_path, "a mug", "a lamp")
    whole = plan_batch(services, rows).totals.cost.ceiling

    def refuse(request: ResponseRequest) -> None:
        if "mug" in str(request.input):
            raise Rejected("no mugs", "invalid_request", 400)

    gateway.before = refuse
    assert states(run_rows(services, rows, budget_usd=whole)) == ["failed", "done"]


def test_what_was_on_its_way_is_taken_in_without_room(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, "a mug")
    budget_usd = plan_batch(services, rows).totals.cost.ceiling

    class Killed(BaseException):
        """As a process that ends between the service's answer and its receipt."""

    def die(_: ResponseRequest) -> None:
        raise Killed

    gateway.after = die
    carry_out(plan_batch(services, rows, budget_usd=budget_usd), is_sealed=False)
    begun = len(gateway.posts)
    gateway.after = lambda _: None
    manifest = run_rows(services, rows, budget_usd=1e-6)
    assert [stage.status for stage in manifest.rows[0].stages] == ["done", "done", "over_budget"]
    assert len(gateway.posts) == begun == 2


def room_of(services: Services, tmp_path: Path, *names: str, usd: float) -> tuple[Room, list[Any]]:
    batch = plan_batch(services, products(tmp_path, *names))
    services.ceilings = (Ceiling("project", usd),)
    return Room(services, RUN, batch.plans), list(batch.plans)


def test_who_waits_is_answered_when_a_row_gives_back_or_none_is_left(
    services: Services, tmp_path: Path
) -> None:
    prices = [
        stage.cost.ceiling
        for stage in plan_batch(services, products(tmp_path, "x")).plans[0].stages
        if stage.cost
    ]
    room, plans = room_of(services, tmp_path, "a", "b", "c", usd=sum(prices))
    first, second, third = (room.ask(plan.row.number) for plan in plans)
    assert first.result(0) == MAY_BEGIN
    assert not second.done()
    for stage in plans[0].stages:
        room.end(plans[0].row.number, stage.identity, is_paid=True)
    room.leave([plans[0].row.number])
    # Nothing was reserved in the store, so its money is free again; then the third waits for the second.
    assert second.result(0) == MAY_BEGIN
    services.ceilings = (Ceiling("project", 0.0),)
    assert not third.done()
    room.leave([plans[1].row.number])
    assert "of the ceiling of $0.00 for project is left" in third.result(0)


def test_a_group_that_breaks_leaves_no_other_waiting(services: Services, tmp_path: Path) -> None:
    for_one = plan_batch(services, products(tmp_path, "a")).totals.cost.ceiling
    batch = plan_batch(services, products(tmp_path, "a", "b"), budget_usd=for_one)
    work = work_on(batch)
    assert work.room
    first, second = (plan.row for plan in batch.plans)
    assert work.room.ask(first.number).result(0) == MAY_BEGIN
    waits = work.room.ask(second.number)
    assert not waits.done()
    work.room.leave([first.number])
    assert waits.result(0) == MAY_BEGIN
    work.close()


def test_urgent_work_comes_first_and_what_waits_is_cancelled() -> None:
    pool, began, gate, seen = UrgentPool[None](1, "test"), threading.Event(), threading.Event(), list[str]()

    def block() -> None:
        began.set()
        gate.wait()

    futures: list[Future[None]] = [pool.submit(0, block)]
    began.wait()
    futures += [
        pool.submit(rank, seen.append, name) for rank, name in ((5, "e"), (1, "a"), (1, "b"), (3, "c"))
    ]
    gate.set()
    for future in futures:
        future.result()
    assert seen == ["a", "b", "c", "e"]


def test_what_waits_when_the_pool_is_closed_is_cancelled() -> None:
    pool, began, waiting = UrgentPool[None](1, "test"), threading.Event(), list[Future[None]]()

    def end_when_another_waits() -> None:
        began.set()
        asked.wait()

    asked = threading.Event()
    running = pool.submit(0, end_when_another_waits)
    began.wait()
    waiting.append(pool.submit(0, lambda: None))
    waiting[0].cancel()
    asked.set()
    pool.close()
    assert (running.done(), waiting[0].cancelled()) == (True, True)
