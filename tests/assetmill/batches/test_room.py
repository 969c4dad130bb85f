"""A ceiling that does not cover all is spent on rows that end, and what rows share is paid once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.batches.opening import RowOrder
from assetmill.batches.room import MAY_BEGIN, Room
from assetmill.batches.urgent import UrgentPool
from assetmill.errors import Rejected
from assetmill.money.budget import Ceiling
from assetmill.records import RunId
from assetmill.stage.services import Services
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
