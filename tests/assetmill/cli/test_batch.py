"""`assetmill batch` as a person types it, as far as it goes without a service: plans, refusals, sheets."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.batches.work import Tally
from assetmill.cli.batch_screen import line
from assetmill.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.batchworks import CARD, products, run_rows, write_rows


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
        (("card", "--rows", "rows.csv", "--budget", "-1"), "--budget"),
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
    text = line(Tally(stages=60, rows=20, spent_usd=1.5), 180, 60, seconds=60.0)
    assert text == "20 of 60 rows, 60 of 180 stages, 60 stages a minute, 0:02:00 left, spent $1.5000"
    assert "left" not in line(Tally(), 180, 60, seconds=1.0)
