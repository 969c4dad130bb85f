"""`assetmill batch` as a person types it, as far as it goes without a service: plans, refusals, sheets."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest

from assetmill.batches.records import BatchRow, BatchStatus
from assetmill.batches.work import Tally
from assetmill.cli.batch_end import command, exit_code, spent, summary
from assetmill.cli.batch_screen import Pace, bar, line
from assetmill.stage.owners import this_owner
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.batchworks import CARD, carry_out, plan_batch, products, run_rows, write_rows


@pytest.fixture
def pipelines() -> dict[str, str]:
    return {"card": CARD}


@pytest.mark.usefixtures("services")
def test_a_plan_says_what_is_paid_for_and_shared(assetmill: Terminal, tmp_path: Path) -> None:
    rows = products(tmp_path, "a mug", "a lamp")
    assert assetmill("batch", "card", "--rows", rows, "--plan", "--json", "--by", "06:00") == 0
    told = assetmill.document()
    assert (told["rows"], told["stages_to_run"], told["stages"]["shared"]) == (2, 5, 1)
    assert told["cost_usd"]["ceiling"] >= told["cost_usd"]["expected"] > 0
    assert "no quota is set" in told["forecast"]["text"]
    assert "no quota is set" in assetmill.err


@pytest.mark.usefixtures("services")
def test_bad_rows_are_listed_with_line_and_reason(assetmill: Terminal, tmp_path: Path) -> None:
    rows = write_rows(tmp_path, [{"product": "a mug"}, {"product": "x" * 30}])
    assert assetmill("batch", "card", "--rows", rows, "--plan", "--json") == 2
    assert assetmill.document()["error"]["rows"] == [
        {"row": 3, "reason": "parameter 'product': is longer than 20 characters"}
    ]
    assert f"{rows}:3: parameter 'product'" in assetmill.err
    assert assetmill("batch", "card", "--rows", rows, "--plan", "--json", "--allow-bad-rows") == 0
    assert [bad["row"] for bad in assetmill.document()["bad_rows"]] == [3]


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("card", "--rows", "nowhere.csv"), "no such file"),
        (("cord", "--rows", "rows.csv"), "did you mean 'card'"),
        (("card", "--rows", "rows.csv", "--by", "tomorrow"), "is no time"),
        (("card", "--rows", "rows.csv", "--name", "Bad Name"), "cannot be a batch's name"),
        (("card", "--rows", "rows.csv", "--name", "latest"), "would mean a run or an asset"),
        (("card", "--rows", "rows.csv", "--budget", "-1"), "--budget"),
        (("card", "--rows", "rows.csv", "--budget", "nan"), "nan is no amount of money"),
        (("card", "--rows", "rows.csv", "--by", ""), "is no time"),
        (("card", "--rows", "rows.csv", "-p", "colour=green"), "cannot run"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    assetmill: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    products(tmp_path, "a mug")
    monkeypatch.chdir(tmp_path)
    assert assetmill("batch", *arguments) == 2
    assert message in assetmill.err


def test_a_contact_sheet_is_written_afterwards(
    assetmill: Terminal, services: Services, tmp_path: Path
) -> None:
    manifest = run_rows(services, products(tmp_path, "a mug"))
    sheet = tmp_path / "sheet.html"
    assert assetmill("contact-sheet", manifest.batch_id, str(sheet)) == 0
    assert sheet.read_text().count("data:image/jpeg") == 3
    assert assetmill("contact-sheet", "batch_none", str(sheet)) == 2
    assert assetmill("contact-sheet", manifest.batch_id, str(tmp_path / "no" / "sheet.html")) == 2


def test_progress_says_rate_and_time_left() -> None:
    text = line(Tally(stages=60, rows=20, spent_usd=1.5), 180, 60, rate=1.0)
    assert text == "20 of 60 rows, 60 of 180 stages, 60 stages a minute, 0:02:00 left, spent $1.5000"
    assert "left" not in line(Tally(), 180, 60, rate=0.0)


def test_the_pace_leaves_out_what_was_stored_already_and_what_is_long_past() -> None:
    pace = Pace()
    assert [pace.of(0, 0.0), pace.of(90, 1.0), pace.of(90, 2.0)] == [None] * 3
    assert pace.of(100, 12.0) == 1.0
    assert pace.of(100, 70.0) == 0.0


def test_what_a_person_should_know_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("assetmill.cli.batch_screen._LOOK_S", 0.01)
    tally = Tally(notices=["work pool 'p' has no worker"])
    looked: list[int] = []

    def look() -> Tally:
        looked.append(1)
        return tally

    with bar(look, 3, 1):
        while len(looked) < 3:
            time.sleep(0.005)
    assert capsys.readouterr().err == "  work pool 'p' has no worker\n"


def test_the_command_that_goes_on_is_the_same_batch(services: Services, tmp_path: Path) -> None:
    rows = products(tmp_path, "a mug", "a lamp")
    order: dict[str, Any] = {"common": (("colour", "deep red"),), "name": "spring", "budget_usd": 0.01}
    planned = plan_batch(services, rows, common=(("colour", "red"),), name="spring", budget_usd=0.01)
    manifest = carry_out(planned)
    assert manifest
    told = summary(manifest, planned, work_pool="p", shard=7, named_profile="local")
    wanted = f"card --rows {rows} -p colour=red --name spring --budget 0.01 --work-pool p --shard 7 --profile"
    assert f"assetmill batch {wanted} local    goes on where it ended" in told
    assert f"{rows}:2-3 over_budget: 2 rows left; scene: what is left of its row may cost" in told
    assert (told.count("may cost"), told.count("failed")) == (1, 0)
    assert "with a higher --budget" in told
    shown = command(dataclasses.replace(planned.order, **order), work_pool="", shard=50, named_profile=None)
    assert "-p 'colour=deep red'" in shown


def test_the_end_says_how_to_get_at_the_files(services: Services, tmp_path: Path) -> None:
    planned = plan_batch(services, products(tmp_path, "a mug"), name="spring")
    manifest = carry_out(planned)
    assert manifest
    assert "  assetmill export spring spring    every row's files" in summary(manifest, planned)
    assert "export spring spring --profile azure " in summary(manifest, planned, named_profile="azure")
    nothing = manifest.model_copy(update={"rows": ()})
    assert "export" not in summary(nothing, planned)


def test_an_unknown_cost_is_told_beside_what_is_known() -> None:
    rows = [
        BatchRow(number=number, name="", key="", state="failed", spent_usd=cost)
        for number, cost in enumerate((0.25, None, 0.5))
    ]
    assert spent(rows) == "at least $0.7500 (1 row of unknown cost)"
    assert spent([*rows, rows[1]]) == "at least $0.7500 (2 rows of unknown cost)"
    assert spent(rows[::2]) == "$0.7500"


@pytest.mark.parametrize(
    ("status", "is_interrupted", "code"),
    [("completed", True, 0), ("incomplete", False, 1), ("stopped", False, 1), ("stopped", True, 130)],
)
def test_only_a_person_who_stops_a_batch_is_an_interruption(
    services: Services, tmp_path: Path, status: BatchStatus, is_interrupted: bool, code: int
) -> None:
    manifest = run_rows(services, products(tmp_path, "a mug"))
    ended = manifest.model_copy(update={"status": status})
    assert exit_code(ended, is_interrupted=is_interrupted) == code


@pytest.mark.usefixtures("services")
def test_rows_that_are_left_out_are_listed(assetmill: Terminal, tmp_path: Path) -> None:
    rows = write_rows(tmp_path, [{"product": "a mug"}, {"product": "a cup", "colour": "green"}])
    assert assetmill("batch", "card", "--rows", rows, "--plan", "--allow-bad-rows") == 0
    assert "warning: 1 row cannot run and is left out" in assetmill.out
    assert f"{rows}:3: parameter 'colour': 'green' is not one of" in assetmill.out
    assert assetmill("batch", "card", "--rows", rows, "--plan", "--json") == 2
    assert assetmill.document()["error"]["message"] == "1 row cannot run; --allow-bad-rows runs the others"


def test_show_lists_a_batch_that_was_killed(services: Services, assetmill: Terminal, tmp_path: Path) -> None:
    services.owner = f"{this_owner().rsplit(':', 2)[0]}:4194305:00000000"
    batch = plan_batch(services, products(tmp_path, "a mug", "a lamp"))
    carry_out(batch, slice(1), is_sealed=False)
    assert assetmill("show") == 0
    (line,) = assetmill.out.splitlines()
    assert line.startswith(batch.batch_id)
    assert "interrupted, at least 1 of 2 rows, at least $" in line
    assert assetmill("show", "--json") == 0
    (told,) = assetmill.document()["batches"]
    assert (told["status"], told["rows"], told["rows_done"]) == ("interrupted", 2, 1)
    carry_out(plan_batch(services, products(tmp_path, "a mug", "a lamp")))
    assert assetmill("show", "--json") == 0
    assert assetmill.document()["batches"] == []


def test_show_says_of_a_batch_that_nothing_tells_of_it(
    services: Services, assetmill: Terminal, tmp_path: Path
) -> None:
    carry_out(plan_batch(services, products(tmp_path, "a mug", "a lamp")), slice(0), is_sealed=False)
    assert assetmill("show") == 0
    assert "under way, none of 2 rows told of yet, cost not told yet" in assetmill.out
    assert assetmill("show", "--json") == 0
    (told,) = assetmill.document()["batches"]
    assert (told["rows_done"], told["spent_usd"]) == (None, None)
