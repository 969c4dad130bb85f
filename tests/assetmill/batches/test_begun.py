"""Batches that were begun and are not sealed: what marks them, who is at work, how far they are."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from assetmill.batches.begun import BegunBatch, BegunBatches
from assetmill.batches.leases import BEATLESS_S
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.opening import begin
from assetmill.batches.records import BatchPage, BatchRow
from assetmill.batches.so_far import MAY_STILL_RUN_S, PAGES_A_LOOK, BatchLooks
from assetmill.batches.work import RowWorker
from assetmill.care.collecting import Collector
from assetmill.care.copying import StoreCopier
from assetmill.care.repairing import Repairer
from assetmill.care.salvage import Salvage
from assetmill.records import RunId
from assetmill.stage.owners import GIVEN_UP_S, is_alive, this_owner
from assetmill.stage.services import Services
from assetmill.store import batch_layout, layout
from assetmill.store.memory import MemoryStore
from tests.batchworks import carry_out, plan_batch, products, run_rows, work_on

ELSEWHERE = "another-host:1:00000000"


@pytest.fixture(scope="module")
def gone() -> str:
    """The name, as an owner, of a process of this host that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    host, _, rest = this_owner().rsplit(":", 2)
    return f"{host}:{child.pid}:{rest}"


@pytest.fixture
def table(tmp_path: Path) -> str:
    return products(tmp_path, "mug", "lamp", "pot")


def kill(services: Services, table: str, rows: int = 1, **order: str) -> BegunBatch:
    """Carry out so many rows and die before the batch is sealed; return what is left of it on the list."""
    carry_out(plan_batch(services, table, "one", **order), slice(rows), is_sealed=False)
    return marked(services)


class Killed(BaseException):
    """A process ends here: nothing of it comes after."""


def kill_untold(services: Services, table: str, rows: int = 1) -> tuple[BegunBatch, RowWorker]:
    """Carry out so many rows and die before a page tells of them; return what is left, and who died."""
    batch = plan_batch(services, table, "one")
    work = work_on(batch)
    begin(batch, work.run_id)
    group = [plan.row for plan in batch.to_do][:rows]
    with pytest.MonkeyPatch.context() as dying:
        dying.setattr(BatchLedger, "write_page", Mock(side_effect=Killed))
        with pytest.raises(Killed):
            work.carry_out(group)
    work.close()
    return marked(services), work


def say(work: RowWorker, number: int = 1) -> None:
    """Tell how far a batch is, as its process does every few seconds."""
    work.batch.ledger.beat(work.batch.batch_id, work.flow_run_id, number, work.progress())


def marked(services: Services) -> BegunBatch:
    (found,) = BegunBatches(services.backend).newest(5)
    return found


def marks(services: Services) -> list[str]:
    return [entry.key for entry in services.backend.list(layout.BEGUN)]


def age(services: Services, key: str, seconds: float) -> None:
    """Make an object as old as that, by the store's clock."""
    assert isinstance(services.backend, MemoryStore)
    objects = services.backend._objects  # pyright: ignore[reportPrivateUsage]
    data, modified_at = objects[key]
    objects[key] = data, modified_at - seconds


class TestMarks:
    def test_a_batch_is_listed_until_it_is_sealed(self, services: Services, table: str) -> None:
        left = kill(services, table)
        assert (left.start.pipeline, left.start.row_count, left.to_do) == ("one", 3, 3)
        sealed = run_rows(services, table, "one")
        assert sealed.batch_id == left.start.batch_id
        assert marks(services) == []
        assert BatchLedger(services.backend).newest(1) == [sealed]

    def test_what_changes_nothing_is_not_marked(self, services: Services, table: str) -> None:
        run_rows(services, table, "one")
        batch = plan_batch(services, table, "one")
        begin(batch, work_on(batch).run_id)
        assert marks(services) == []

    def test_who_goes_on_takes_the_place_of_who_was_killed(
        self, services: Services, table: str, gone: str
    ) -> None:
        services.owner = gone
        first = kill(services, table)
        services.owner = this_owner()
        again = kill(services, table)
        assert (first.owner, again.owner) == (gone, services.owner)
        assert (first.run_id != again.run_id, again.to_do) == (True, 2)

    def test_the_newest_come_first_and_are_found_by_their_pipeline(
        self, services: Services, table: str
    ) -> None:
        for name in ("one-a", "one-b"):
            carry_out(plan_batch(services, table, "one", name=name), slice(0), is_sealed=False)
        carry_out(plan_batch(services, table, name="cards"), slice(0), is_sealed=False)
        begun = BegunBatches(services.backend)
        assert [one.start.batch_id for one in begun.newest(2)] == ["cards", "one-b"]
        assert [one.start.batch_id for one in begun.newest(9, "one")] == ["one-b", "one-a"]
        assert begun.find("one", "one-a") is not None
        assert begun.find("card", "one-a") is None


class TestStale:
    def sealed_and_killed(self, services: Services, table: str) -> str:
        """Die between the head and the end of the mark; return the mark's key."""
        kill(services, table)
        (key,) = marks(services)
        data = services.backend.get(key)
        run_rows(services, table, "one")
        services.backend.create(key, data)
        age(services, key, 10.0)
        return key

    def test_one_of_a_sealed_batch_leads_nowhere(self, services: Services, table: str) -> None:
        self.sealed_and_killed(services, table)
        assert BegunBatches(services.backend).newest(5) == []

    def test_one_of_the_run_that_sealed_leads_nowhere_in_a_copy(self, services: Services, table: str) -> None:
        """A copy has its own times: there the mark is younger than the manifest."""
        batch = plan_batch(services, table, "one")
        work = work_on(batch)
        begin(batch, work.run_id)
        (key,) = marks(services)
        data = services.backend.get(key)
        manifest = carry_out(batch)
        assert manifest is not None
        services.backend.create(key, data.replace(work.run_id.encode(), manifest.run_id.encode()))
        assert BegunBatches(services.backend).newest(5) == []

    def test_one_without_a_start_or_of_another_batch_leads_nowhere(
        self, services: Services, table: str
    ) -> None:
        left = kill(services, table)
        (key,) = marks(services)
        other = batch_layout.begun("one", "other")
        services.backend.create(other, services.backend.get(key))
        begun = BegunBatches(services.backend)
        assert [one.start.batch_id for one in begun.newest(5)] == [left.start.batch_id]
        assert [entry.key for entry in begun.stale()] == [other]
        services.backend.delete(batch_layout.start(left.start.batch_id, left.start.content))
        assert begun.newest(5) == []
        assert {entry.key for entry in begun.stale()} == {key, other}

    def test_a_collection_takes_it_and_leaves_what_was_killed(self, services: Services, table: str) -> None:
        stale = self.sealed_and_killed(services, table)
        carry_out(plan_batch(services, table, name="cards"), slice(0), is_sealed=False)
        now = [time.time() + 60.0]
        collector = Collector(services.backend, 30.0, clock=lambda: now[0])
        assert collector.run().phase == "planned"
        now[0] += 30 * 3600.0
        assert stale in [one.key for one in collector.run().objects]
        assert marks(services) == [batch_layout.begun("card", "cards")]

    def test_a_repair_takes_it(self, services: Services, table: str) -> None:
        key = self.sealed_and_killed(services, table)
        repairer = Repairer(services, Salvage(services), RunId("run_repair"))
        assert [(one.state, one.key) for one in repairer.repair()] == [("mended", key)]
        assert marks(services) == []


def test_a_copy_of_a_store_lists_what_was_killed(services: Services, table: str) -> None:
    left = kill(services, table)
    target = MemoryStore()
    StoreCopier(services.backend, target).run()
    (there,) = BegunBatches(target).newest(5)
    assert dataclasses.replace(there, marked_at=0.0) == dataclasses.replace(left, marked_at=0.0)
    # Begun anew meanwhile: the other store's mark is of another run, and no other record.
    kill(services, table)
    assert StoreCopier(services.backend, target, is_thorough=True).run().differing == ()


class TestWhoIsAtWork:
    def begun(self, services: Services, table: str, owner: str, silent_s: float = 0.0) -> bool:
        services.owner = owner
        left = kill(services, table, rows=0)
        old = dataclasses.replace(left, marked_at=left.marked_at - silent_s)
        return BatchLooks(services.backend).is_going(old)

    def test_a_process_of_this_host_is_asked(self, services: Services, table: str, gone: str) -> None:
        assert self.begun(services, table, this_owner())
        assert not self.begun(services, table, gone)

    def test_nobody_is_silent_for_days(self, services: Services, table: str) -> None:
        assert self.begun(services, table, this_owner(), MAY_STILL_RUN_S - 60.0)
        assert not self.begun(services, table, this_owner(), MAY_STILL_RUN_S + 60.0)

    def test_one_of_another_host_is_given_up_when_it_says_nothing(
        self, services: Services, table: str
    ) -> None:
        assert self.begun(services, table, ELSEWHERE, GIVEN_UP_S - 60.0)
        assert not self.begun(services, table, ELSEWHERE, GIVEN_UP_S + 60.0)

    def test_its_lease_of_a_stage_is_a_word(self, services: Services, table: str) -> None:
        """Of another host, whose one row has been drawn for long."""
        services.owner = ELSEWHERE
        left = kill(services, table)
        looks = BatchLooks(services.backend)
        old = dataclasses.replace(left, marked_at=left.marked_at - GIVEN_UP_S - 60.0)
        assert not looks.is_going(dataclasses.replace(old, run_id=RunId("run_other")))
        assert looks.is_going(old)

    def test_what_it_said_a_moment_ago_is_no_word_of_a_process_that_has_ended(
        self, services: Services, table: str, gone: str
    ) -> None:
        services.owner = gone
        left, work = kill_untold(services, table)
        say(work)
        assert not BatchLooks(services.backend).is_going(left)

    def test_of_another_host_it_is_one(self, services: Services, table: str) -> None:
        services.owner = ELSEWHERE
        work = work_on(plan_batch(services, table, "one"))
        begin(work.batch, work.run_id)
        left = marked(services)
        say(work)
        work.close()
        old = dataclasses.replace(left, marked_at=left.marked_at - GIVEN_UP_S - 60.0)
        assert BatchLooks(services.backend).is_going(old)
        age(services, batch_layout.beat(left.start.batch_id, work.flow_run_id, 1), GIVEN_UP_S + 60.0)
        assert not BatchLooks(services.backend).is_going(old)

    def test_its_shards_go_on_without_it(self, services: Services, table: str, gone: str) -> None:
        services.owner = gone
        left = kill(services, table)
        ledger = BatchLedger(services.backend)
        ledger.beat(left.start.batch_id, "flow-run", 7)
        assert BatchLooks(services.backend).look(left).is_going
        age(services, batch_layout.beat(left.start.batch_id, "flow-run", 7), 3 * BEATLESS_S)
        assert not BatchLooks(services.backend).look(left).is_going


class TestHowFar:
    def test_rows_and_money_are_those_of_its_pages(self, services: Services, table: str) -> None:
        left = kill(services, table, rows=2)
        now = BatchLooks(services.backend).look(left)
        paid = [row.spent_usd for page in self.pages(services, left) for row in page.rows]
        assert (now.done, now.spent_usd) == (2, sum(usd or 0.0 for usd in paid))
        assert [row.name for row in now.shown] == ["row 2", "row 3"]

    def test_rows_that_were_done_before_count_and_nothing_tells_what_is_paid_since(
        self, services: Services, table: str
    ) -> None:
        kill(services, table, rows=2)
        again = kill(services, table, rows=0)
        now = BatchLooks(services.backend).look(again)
        assert (now.done, now.spent_usd) == (2, None)

    def test_what_no_page_tells_of_its_process_has_said(self, services: Services, table: str) -> None:
        left, work = kill_untold(services, table, rows=2)
        looks = BatchLooks(services.backend)
        assert (looks.look(left).done, looks.look(left).spent_usd) == (None, None)
        say(work)
        paid = sum(record.cost_usd or 0.0 for record in services.ledger.stages())
        assert paid > 0
        assert (looks.look(left).done, looks.look(left).spent_usd) == (2, pytest.approx(paid))

    def test_the_one_that_tells_of_more_is_shown(self, services: Services, table: str) -> None:
        """Its shards go on where its process was killed: their pages are newer than what it said."""
        left, work = kill_untold(services, table)
        say(work)
        batch = work.batch
        shard = RowWorker(batch, RunId("run_shard"), "shard", work.halt_run)
        shard.carry_out([plan.row for plan in batch.to_do])
        shard.close()
        assert BatchLooks(services.backend).look(left).done == 3

    def test_rows_that_have_failed_are_not_done(self, services: Services, table: str) -> None:
        left, work = kill_untold(services, table)
        work.count(0, rows=1)
        say(work)
        assert BatchLooks(services.backend).look(left).done == 1

    def test_what_another_run_of_it_said_is_not_its_word(self, services: Services, table: str) -> None:
        left, work = kill_untold(services, table)
        work.run_id = RunId(f"{work.run_id}_2")
        say(work)
        assert BatchLooks(services.backend).look(left).done is None

    def test_who_goes_on_takes_away_what_was_said_before(self, services: Services, table: str) -> None:
        _, work = kill_untold(services, table)
        say(work)
        work.batch.ledger.beat(work.batch.batch_id, "another-flow-run", 1)
        kill(services, table, rows=0)
        assert work.batch.ledger.beats(work.batch.batch_id) == {"another-flow-run": 1}

    def test_a_look_reads_so_many_pages_and_the_next_one_those_before(
        self, services: Services, table: str
    ) -> None:
        left, looks = kill(services, table, rows=0), BatchLooks(services.backend)
        left = dataclasses.replace(
            left, start=left.start.model_copy(update={"row_count": 10_000}), to_do=9_990
        )
        for number in range(2 * PAGES_A_LOOK):
            row = BatchRow(number=number, name="", key=str(number), state="done", spent_usd=0.5)
            page = BatchPage(batch_id=left.start.batch_id, run_id=left.run_id, rows=(row,))
            BatchLedger(services.backend).write_page(page)
        before, seen = services.backend.requests, list[tuple[int | None, float | None, int]]()
        for _ in range(3):
            now = looks.look(left)
            seen.append((now.done, now.spent_usd, services.backend.requests - before))
        once = 2 + PAGES_A_LOOK  # a listing of pages, one of heartbeats
        assert seen == [
            (10 + PAGES_A_LOOK, PAGES_A_LOOK / 2, once),
            (10 + 2 * PAGES_A_LOOK, PAGES_A_LOOK, 2 * once),
            (10 + 2 * PAGES_A_LOOK, PAGES_A_LOOK, 2 * once + 2),
        ]

    def test_each_page_is_read_once(self, services: Services, table: str) -> None:
        left, looks = kill(services, table), BatchLooks(services.backend)
        first = looks.look(left)
        before = services.backend.requests
        assert looks.look(left) == first
        assert services.backend.requests - before == 2  # a listing of pages, and one of heartbeats

    @staticmethod
    def pages(services: Services, left: BegunBatch) -> list[BatchPage]:
        ledger = BatchLedger(services.backend)
        keys = ledger.page_keys(left.start.batch_id)
        return [page for key in keys if (page := ledger.read_page(key))]


class TestOwners:
    @pytest.mark.parametrize("owner", ["", "o", "repair", "host:0:x", "host:-1:x", "a:b:c", "x" * 500])
    def test_of_what_names_no_process_nobody_can_tell(self, owner: str) -> None:
        assert is_alive(owner)

    def test_a_number_that_no_process_has_had_is_not_asked(self) -> None:
        host = this_owner().rsplit(":", 2)[0]
        assert is_alive(f"{host}:9999999999:x")

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell when a process began")
    def test_who_began_later_has_only_the_number(self) -> None:
        assert is_alive(this_owner(), time.time())
        assert not is_alive(this_owner(), time.time() - 365 * 86400.0)
