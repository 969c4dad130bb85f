"""Batches that are not sealed: at home, on their walls, and where a batch is looked for by its pipeline."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from assetmill.batches.begun import BegunBatches
from assetmill.batches.opening import begin
from assetmill.batches.origins import Origins
from assetmill.gallery.hanging import Hanging
from assetmill.gallery.overview import Overview
from assetmill.gallery.serving import Gallery
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.walls import Walls
from assetmill.runs.run import begin_run
from assetmill.stage.owners import GIVEN_UP_S, this_owner
from assetmill.stage.services import Services
from assetmill.store import batch_layout, layout
from tests.assetmill.gallery.conftest import IN_CHROMIUM, serving, site_on
from tests.batchworks import ONE, carry_out, plan_batch, products, run_rows, work_on
from tests.millworks import run_here

GONE = this_owner().rsplit(":", 2)[0] + ":4194305:00000000"
"""A process of this host with a number that Linux gives to none."""


@pytest.fixture
def table(services: Services, tmp_path: Path) -> str:
    (services.settings.configs / "pipelines" / "one.yaml").write_text(ONE)
    return products(tmp_path, "mug", "lamp", "pot")


def kill(services: Services, table: str, rows: int = 1) -> str:
    """Leave a batch as it is when its process is killed after so many rows; return its ID."""
    services.owner = GONE
    batch = plan_batch(services, table, "one")
    carry_out(batch, slice(rows), is_sealed=False)
    return batch.batch_id


def home(services: Services) -> list[dict[str, Any]]:
    thumbnails = ThumbnailStore(services.settings.home, services.blobs)
    told = Overview(services.backend, services.settings.configs, thumbnails, None).read()
    found: list[dict[str, Any]] = told["batches"]
    return found


def states(services: Services, what: str) -> list[str]:
    return [tile.state for tile in Hanging(Walls(services.backend).find(what)).tiles]


def test_home_tells_how_far_a_batch_is_that_was_killed_or_goes_on(services: Services, table: str) -> None:
    batch_id = kill(services, table)
    (told,) = home(services)
    assert (told["name"], told["state"], told["done"], told["of"]) == (batch_id, "interrupted", 1, 3)
    assert told["spent"] > 0
    assert len(told["thumbnails"]) == 1
    services.owner = this_owner()
    again = plan_batch(services, table, "one")
    work = work_on(again)
    begin(again, work.run_id)
    (told,) = home(services)
    assert (told["state"], told["done"], told["of"], told["spent"]) == ("under way", 1, 3, None)
    work.close()
    run_rows(services, table, "one")
    (told,) = home(services)
    assert (told["name"], told["state"], told["done"]) == (batch_id, "completed", 3)


def test_home_tells_of_a_batch_once_that_was_sealed_and_runs_again(services: Services, table: str) -> None:
    sealed = run_rows(services, table, "one")
    lost = next(iter(services.backend.list(layout.stages_of("one")))).key
    services.backend.delete(lost)
    again = kill(services, table, rows=0)
    assert again == sealed.batch_id
    (told,) = home(services)
    assert (told["state"], told["done"], told["of"]) == ("interrupted", 2, 3)


class TestNames:
    def test_latest_is_the_batch_that_was_begun_last(self, services: Services, table: str) -> None:
        run_here(services, "chain")
        batch_id = kill(services, table)
        assert Walls(services.backend).find("latest").kind == f"batch {batch_id}"
        run_rows(services, table, "one")
        assert Walls(services.backend).find("latest").kind == f"batch {batch_id}"
        run = run_here(services, "chain", subject="a red lamp")
        assert Walls(services.backend).find("latest").kind == run.run_id

    def test_a_pipeline_shows_what_its_batch_has_left(self, services: Services, table: str) -> None:
        kill(services, table, rows=0)
        assert states(services, "one") == ["interrupted"] * 3
        kill(services, table)
        assert sorted(states(services, "one")) == ["interrupted", "interrupted", "output"]
        run_rows(services, table, "one")
        assert states(services, "one") == ["output"] * 3

    def test_its_rows_are_found_by_what_was_made(self, services: Services, table: str) -> None:
        batch_id = kill(services, table)
        (record,) = services.ledger.stages()
        origin = Origins(services).find(record)
        assert origin is not None
        assert (origin.batch_id, origin.parameters) == (batch_id, {"product": "mug"})


class TestWalls:
    def test_rows_that_nobody_works_at_are_interrupted(self, services: Services, table: str) -> None:
        batch_id = kill(services, table)
        assert states(services, batch_id) == ["output", "interrupted", "interrupted"]
        services.owner = this_owner()
        again = plan_batch(services, table, "one")
        begin(again, work_on(again).run_id)
        assert states(services, batch_id) == ["output", "queued", "queued"]

    def test_one_that_is_sealed_is_over_until_it_runs_again(self, services: Services, table: str) -> None:
        batch_id = kill(services, table)
        hung = Hanging(Walls(services.backend).find(batch_id))
        assert hung.is_live
        run_rows(services, table, "one")
        hung.look()
        assert not hung.is_live
        lost = next(iter(services.backend.list(layout.stages_of("one")))).key
        services.backend.delete(lost)
        kill(services, table, rows=0)
        hung.resume()
        assert hung.is_live

    def test_a_look_at_one_that_is_sealed_reads_no_page(self, services: Services, table: str) -> None:
        batch_id = run_rows(services, table, "one").batch_id
        hung = Hanging(Walls(services.backend).find(batch_id))
        before = services.backend.requests
        hung.resume()
        assert services.backend.requests - before <= 4


class TestRuns:
    """A run between its start and its first intent: its start alone says who is at work."""

    def state(self, services: Services, owner: str, ago_s: float, monkeypatch: pytest.MonkeyPatch) -> str:
        services.owner = owner
        with monkeypatch.context() as earlier:
            now = time.time
            earlier.setattr("assetmill.runs.run.time.time", lambda: now() - ago_s)
            run = begin_run("chain", {}, services, "00000000-0000-0000-0000-000000000000")
        (shown, *_) = states(services, run.run_id)
        return shown

    @pytest.mark.parametrize(
        ("owner", "ago_s", "wanted"),
        [
            (GONE, 0.0, "interrupted"),
            (this_owner(), 0.0, "queued"),
            ("another-host:1:00000000", GIVEN_UP_S - 60, "queued"),
            ("another-host:1:00000000", GIVEN_UP_S + 60, "interrupted"),
            ("", 0.0, "queued"),
        ],
        ids=("ended", "at work", "elsewhere of late", "elsewhere long ago", "not told"),
    )
    def test_who_began_it_tells(
        self,
        services: Services,
        monkeypatch: pytest.MonkeyPatch,
        owner: str,
        ago_s: float,
        wanted: str,
    ) -> None:
        assert self.state(services, owner, ago_s, monkeypatch) == wanted


@pytest.fixture
def link(services: Services, table: str) -> Iterator[str]:
    batch_id = kill(services, table)
    with serving(Gallery(site_on(services, Walls(services.backend).find(batch_id)))) as link:
        yield link


class TestPages:
    pytestmark = IN_CHROMIUM

    def test_live_is_what_may_still_come(self, page: Page, services: Services, table: str, link: str) -> None:
        page.goto(link)
        expect(page.locator("#live")).to_have_text("Interrupted: 1 of 3 shown")
        run_rows(services, table, "one")
        expect(page.locator("#live")).to_be_hidden()
        page.reload()
        expect(page.locator("#wall button")).to_have_count(3)
        expect(page.locator("#live")).to_be_hidden()


def test_marks_of_ever_so_many_batches_are_few_on_the_page(services: Services, table: str) -> None:
    batch = plan_batch(services, table, "one")
    for number in range(9):
        begin(dataclasses.replace(batch, batch_id=f"b{number}"), work_on(batch).run_id)
        # A file system's clock may not tick between two of them.
        mark = batch_layout.begun(batch.pipeline.name, f"b{number}")
        os.utime(services.settings.home / "store" / mark, (number, number))
    assert [one["name"] for one in home(services)] == [f"b{number}" for number in range(8, 2, -1)]
    assert len(BegunBatches(services.backend).newest(20)) == 9
