"""What a batch shows while nothing has ended yet: what is paid for now, and what it waits for."""

from __future__ import annotations

import time
from pathlib import Path

from assetmill.batches.work import Tally
from assetmill.cli.batch_screen import line
from assetmill.outages import clock_time
from assetmill.store.memory import MemoryStore
from tests.batchworks import ONE, colourful, plan_batch, products, work_on
from tests.millworks import services_on, settings_in


def test_stages_at_work_are_counted_before_any_has_ended(tmp_path: Path) -> None:
    gateway = colourful()
    services = services_on(settings_in(tmp_path, one=ONE), MemoryStore(), gateway)
    work = work_on(plan_batch(services, products(tmp_path, "a mug"), "one"))
    seen: list[str] = []
    gateway.before = lambda _: seen.append(line(work.tally, 1, 1, None))
    work.carry_out([plan.row for plan in work.batch.to_do])
    work.close()
    assert seen == ["0 of 1 rows, 0 of 1 stages, 1 at work, spent $0.0000"]
    assert "at work" not in line(work.tally, 1, 1, None)


def test_what_is_away_is_said_in_place_of_a_time_that_is_left(tmp_path: Path) -> None:
    services = services_on(settings_in(tmp_path, one=ONE), MemoryStore(), colourful())
    work = work_on(plan_batch(services, products(tmp_path, "a mug"), "one"))
    outage = services.outages.of("store", "the store s3://bucket")
    since = outage.begin("connection refused")
    until = clock_time(since + services.outages.limit_s)
    told = line(work.tally, 4, 2, 1.0)
    away = f"waits for the store s3://bucket, which is away, until {until}"
    assert told == f"0 of 2 rows, 0 of 4 stages, {away}, spent $0.0000"
    outage.over()
    assert "0:00:04 left" in line(work.tally, 4, 2, 1.0)
    work.close()


def test_a_wait_for_a_quota_is_said_with_its_end(tmp_path: Path) -> None:
    services = services_on(settings_in(tmp_path, one=ONE), MemoryStore(), colourful())
    until = time.time() + 60
    services.waits.note_quota("gpt-image-2", until)
    clock = time.strftime("%H:%M:%S", time.localtime(until))
    told = line(Tally(waits=services.waits.told), 4, 2, None)
    assert f"waits for the quota of gpt-image-2 until {clock}" in told
    services.waits.note_quota("gpt-image-2", time.time() - 1)
    assert "waits" not in line(Tally(waits=services.waits.told), 4, 2, None)


def test_an_outcome_that_is_found_out_is_said_with_its_end(tmp_path: Path) -> None:
    services = services_on(settings_in(tmp_path, one=ONE), MemoryStore(), colourful())
    until = time.time() + 600
    work = work_on(plan_batch(services, products(tmp_path, "a mug"), "one"))
    own = work.batch.services
    with own.waits.waiting("outcome", until - 300), own.waits.waiting("outcome", until):
        told = line(work.tally, 4, 2, None)
    clock = time.strftime("%H:%M:%S", time.localtime(until))
    assert f"finds out what became of 2 requests until {clock}" in told
    assert "finds out" not in line(work.tally, 4, 2, None)
    work.close()
