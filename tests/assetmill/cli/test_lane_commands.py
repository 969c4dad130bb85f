"""`--by` on plans and batches as a person types it: two prices, two arrivals, and why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.assetmill.cli.terminal import Terminal
from tests.batchworks import ONE, products
from tests.millworks import CHAIN


@pytest.fixture
def pipelines() -> dict[str, str]:
    return {"chain": CHAIN, "one": ONE}


@pytest.mark.usefixtures("services")
def test_a_plan_by_an_hour_shows_both_prices_and_both_arrivals(assetmill: Terminal) -> None:
    assert assetmill("plan", "chain", "--by", "2099-01-01T06:00") == 0
    assert "not made yet, in flex" in assetmill.out
    lines = assetmill.out.splitlines()
    (normal,) = [line for line in lines if line.startswith("  normal")]
    (flex,) = [line for line in lines if line.startswith("  flex")]
    usd = [float(line.split("$")[1].split(",")[0]) for line in (normal, flex)]
    assert usd[1] < usd[0]
    assert all("done" in line for line in (normal, flex))
    assert "  2 of 2 stages in flex, while Thu 06:00 allows" in lines
    assert max(map(len, lines[lines.index(normal) - 1 :])) <= 50


@pytest.mark.usefixtures("services")
def test_a_plans_document_has_both_lanes(assetmill: Terminal) -> None:
    told = assetmill.document("plan", "chain", "--by", "2099-01-01T06:00")
    lanes = told["lanes"]
    assert lanes["flex"]["cost_usd"]["expected"] < lanes["normal"]["cost_usd"]["expected"]
    assert lanes["normal"]["at"] < lanes["flex"]["at"] < lanes["by"]
    assert [stage["lane"] for stage in told["stages"]] == ["flex", "flex"]
    assert told["cost_usd"] == lanes["flex"]["cost_usd"]


@pytest.mark.usefixtures("services")
def test_a_plan_without_an_hour_says_nothing_of_lanes(assetmill: Terminal) -> None:
    told = assetmill.document("plan", "chain")
    assert "lanes" not in told
    assert [stage["lane"] for stage in told["stages"]] == ["now", "now"]


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("command", ["plan", "run"])
def test_what_is_no_hour_is_refused_before_anything_is_begun(assetmill: Terminal, command: str) -> None:
    assert assetmill(command, "chain", "--by", "tomorrow") == 2
    assert "is no time" in assetmill.err


@pytest.mark.usefixtures("services")
def test_a_batch_by_an_hour_shows_both_lanes(assetmill: Terminal, tmp_path: Path) -> None:
    rows = products(tmp_path, "a mug", "a lamp", "a chair")
    arguments = ("batch", "one", "--rows", rows, "--plan", "--json")
    assert assetmill(*arguments, "--by", "2099-01-01T06:00") == 0
    lanes = assetmill.document()["lanes"]
    assert (lanes["stages"], lanes["stages_in_flex"], lanes["is_met"]) == (3, 3, True)
    assert lanes["flex"]["cost_usd"]["expected"] < lanes["normal"]["cost_usd"]["expected"]
    assert "  3 of 3 stages in flex" in assetmill.err
    assert assetmill(*arguments) == 0
    assert assetmill.document()["lanes"] is None
