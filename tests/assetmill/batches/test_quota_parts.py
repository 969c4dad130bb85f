"""Workers that share a quota by what each uses: never above it in any minute, hardly ever below it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.agents.pacing import WINDOW_S
from assetmill.batches.leases import Silence
from assetmill.batches.quota_parts import PARTS, RESERVE, QuotaParts
from assetmill.batches.work import RowWorker
from assetmill.care.kinds import kind_of
from assetmill.settings import Quota, Rate, Settings
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from assetmill.store.run_ids import make_run_id
from tests.batchworks import ONE, plan_batch, products
from tests.millworks import painter, settings_in

RUN = make_run_id(str(uuid.uuid4()), time.time())
STEP_S = 0.5
A_MINUTE = 30
MODEL = "draw"


class Worker:
    """A worker with so many requests to post; each takes 20 s, and no more than its slots at once."""

    def __init__(self, work: RowWorker, requests: int, slots: int, clock: list[float]) -> None:
        self.pacer, self._work, self._clock = work.batch.services.pacer, work, clock
        self._beats = 0
        self.left, self._slots, self._ends = requests, slots, list[float]()
        self.parts = QuotaParts(work, lambda: self.left > 0 or bool(self._ends), Silence(lambda: clock[0]))

    def beat(self) -> None:
        self._beats += 1
        self._work.batch.ledger.beat(self._work.batch.batch_id, self._work.flow_run_id, self._beats)

    def die(self) -> None:
        """End, or be killed: what it said last is gone, or goes stale."""
        self._work.batch.ledger.end_beats(self._work.batch.batch_id, self._work.flow_run_id, self._beats)

    def post(self) -> int:
        """Post what the quota and the slots allow; return how many."""
        now, posted = self._clock[0], 0
        self._ends = [end for end in self._ends if end > now]
        # Every stage that has a slot asks for itself, whatever the others were told.
        for _ in range(min(self.left, self._slots - len(self._ends))):
            if self.pacer.take(MODEL, {"images": 1.0}):
                continue
            self.pacer.arrived(MODEL, {"images": 1.0})
            self.left -= 1
            self._ends.append(now + 20.0)
            posted += 1
        return posted


class Shop:
    """Workers with a store and a clock, and the minutes of the service that they post to."""

    def __init__(self, settings: Settings, rows: str) -> None:
        self._settings, self._rows = settings, rows
        self._store, self.clock = MemoryStore(), [1_000_000.0]
        self.workers: list[Worker] = []
        self.posts: list[float] = []
        self._works: list[RowWorker] = []

    def hire(self, requests: int, a_minute: float, slots: int = 200) -> Worker:
        # A profile's share is for a process that shares with others in no other way.
        quota = Quota(share=0.5, deployments={MODEL: Rate(images=a_minute)})
        settings = self._settings.model_copy(update={"quota": quota})
        services = Services(
            settings, self._store, lambda _settings, _wait: painter(), clock=lambda: self.clock[0]
        )
        work = RowWorker(plan_batch(services, self._rows, "one"), RUN, str(uuid.uuid4()), RUN)
        self._works.append(work)
        worker = Worker(work, requests, slots, self.clock)
        self.workers.append(worker)
        return worker

    def go_on(self, seconds: float) -> None:
        until, beaten_at = self.clock[0] + seconds, 0.0
        while self.clock[0] < until and any(worker.left for worker in self.workers):
            if self.clock[0] - beaten_at >= 10.0:
                beaten_at = self.clock[0]
                for worker in self.workers:
                    worker.beat()
            for worker in self.workers:
                self.posts += [self.clock[0]] * worker.post()
                worker.parts.tick()
            self.clock[0] += STEP_S

    def most_in_a_minute(self) -> int:
        return max(sum(start <= at < start + 60.0 for at in self.posts) for start in self.posts)

    def stored(self) -> list[str]:
        return [entry.key for entry in self._store.list("v1/")]

    def close(self) -> None:
        for work in self._works:
            work.close()
            work.batch.services.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(settings_in(tmp_path, one=ONE), products(tmp_path, "a mug"))
    yield shop
    shop.close()


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_a_quota_is_used_up_and_never_exceeded_however_many_share_it(shop: Shop, count: int) -> None:
    # Uneven on purpose: fixed parts would leave the last worker alone with what is left.
    for number in range(count):
        shop.hire(3 * A_MINUTE // count + (A_MINUTE // count if number == 0 else 0), A_MINUTE)
    wanted = sum(worker.left for worker in shop.workers)
    began = shop.clock[0]
    shop.go_on(600.0)
    assert len(shop.posts) == wanted
    assert shop.most_in_a_minute() <= A_MINUTE
    # The last minute's quota is posted at its beginning, a few seconds after the one before has passed.
    ideal_s = (wanted - 1) // A_MINUTE * WINDOW_S
    assert shop.posts[-1] - began <= ideal_s / 0.97 + 3.0


def test_what_one_cannot_use_another_does(shop: Shop) -> None:
    # In five minutes two slots of 20 s post 30 at the most, much less than a fixed half of the quota.
    shop.hire(600, A_MINUTE, slots=2)
    shop.hire(600, A_MINUTE)
    shop.go_on(300.0)
    assert shop.most_in_a_minute() <= A_MINUTE
    assert len(shop.posts) >= 0.97 * 5 * A_MINUTE


def test_who_comes_late_gets_its_share_of_what_another_uses_up(shop: Shop) -> None:
    greedy = shop.hire(600, A_MINUTE)
    shop.go_on(30.0)
    late = shop.hire(600, A_MINUTE)
    shop.go_on(120.0)
    before = (greedy.left, late.left)
    shop.go_on(240.0)
    greedy_posts, late_posts = before[0] - greedy.left, before[1] - late.left
    assert [key for key in shop.stored() if kind_of(key) is None] == []
    assert late_posts >= 0.9 * greedy_posts
    assert shop.most_in_a_minute() <= A_MINUTE
    assert greedy_posts + late_posts >= 0.97 * 4 * A_MINUTE


def test_the_wish_of_a_worker_that_is_no_more_holds_nothing_back(shop: Shop) -> None:
    shop.hire(600, A_MINUTE)
    late = shop.hire(600, A_MINUTE)
    shop.go_on(150.0)
    shop.workers.remove(late)
    late.die()
    shop.go_on(150.0)
    posted = len(shop.posts)
    shop.go_on(180.0)
    assert len(shop.posts) - posted >= 0.97 * 3 * A_MINUTE
    assert shop.most_in_a_minute() <= A_MINUTE


def test_parts_of_a_worker_that_is_no_more_come_back_when_its_minute_is_over(shop: Shop) -> None:
    dead = shop.hire(A_MINUTE, A_MINUTE)
    shop.go_on(2.0)
    assert dead.left == 0
    shop.workers.remove(dead)
    dead.die()
    heir = shop.hire(A_MINUTE, A_MINUTE)
    shop.go_on(58.0)
    assert heir.left == A_MINUTE
    shop.go_on(90.0)
    assert (heir.left, shop.most_in_a_minute()) == (0, A_MINUTE)


def test_a_quota_of_tokens_alone_is_lent_too(shop: Shop) -> None:
    worker = shop.hire(0, A_MINUTE)
    pacer = worker.pacer
    pacer.correct("words", {"x-ratelimit-limit-tokens": "1000"})
    assert pacer.take("words", {"tokens": 400.0}) > 0
    worker.parts.tick()
    assert pacer.take("words", {"tokens": 400.0}) == 0
    assert pacer.unused("words") < 1 / PARTS + RESERVE
