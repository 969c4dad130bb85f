"""Runs and batches of which everything is there: recorded without Prefect, which hears of them later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assetmill.api import run_with
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.reports import document
from assetmill.cli.batch import run_batch_with
from assetmill.editing.orders import EditOrder
from assetmill.errors import InvalidSettings
from assetmill.local.own_prefect import free_port
from assetmill.records import RunId, RunManifest
from assetmill.runs import unchanged
from assetmill.runs.unchanged import forget, run_unchanged, untold_runs
from assetmill.stage.services import Services
from tests.assetmill.cli.test_edit_commands import edited
from tests.batchworks import CARD, plan_batch, products, run_rows
from tests.millworks import CHAIN, run_here

_PICTURES = frozenset({"PIL", "numpy"})
_HEAVY = _PICTURES | {"prefect", "azure", "openai", "boto3", "httpx", "asyncio"}


@pytest.fixture
def pipelines() -> dict[str, str]:
    return {"chain": CHAIN, "card": CARD}


@pytest.fixture
def done(services: Services) -> RunManifest:
    return run_here(services, "chain")


def ended(*words: str) -> tuple[int, frozenset[str], dict[str, Any]]:
    """Run a command in a process of its own; return its exit code, what it imported, and its document."""
    code = (
        f"import sys; from assetmill.cli.main import call; code = call({[*words, '--json']!r}); "
        f"print(code, *({set(_HEAVY)!r} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told, _, last = process.stdout.rstrip().rpartition("\n")
    return int(last.split()[0]), frozenset(last.split()[1:]), json.loads(told)


def test_a_run_with_nothing_to_do_is_recorded_without_prefect(services: Services, done: RunManifest) -> None:
    code, imported, told = ended("run", "chain")
    assert (code, imported) == (0, frozenset())
    assert list(services.settings.home.rglob("process.json")) == []  # no server, no emulator
    assert {stage["status"] for stage in told["stages"]} == {"reused"}
    assert (told["status"], told["spent_usd"], told["flow_run_id"]) == ("completed", 0.0, None)
    newest = services.ledger.latest_manifest("chain")
    assert newest
    assert (newest.run_id, newest.assets()) == (told["run_id"], done.assets())
    assert services.ledger.read_start(newest.run_id)
    assert untold_runs(services.settings) == (newest.run_id,)


def test_a_batch_with_nothing_to_do_is_sealed_without_prefect(services: Services, tmp_path: Path) -> None:
    made = run_rows(services, products(tmp_path, "a mug", "a lamp"))
    # The same rows in another order: a batch of its own, of which nothing is stored yet.
    rows = products(tmp_path, "a lamp", "a mug")
    code, imported, told = ended("batch", "card", "--rows", rows)
    assert (code, imported) == (0, frozenset())
    assert list(services.settings.home.rglob("process.json")) == []
    assert (told["states"], told["spent_usd"], told["flow_run_id"]) == ({"reused": 2}, 0.0, None)
    made_rows = document(made)["rows"][::-1]
    assert [row["assets"] for row in told["rows"]] == [row["assets"] for row in made_rows]
    newest = BatchLedger(services.backend).newest_of("card")
    assert newest
    assert (newest.batch_id, newest.run_id) == (told["batch_id"], told["run_id"])
    # Once more nothing is new: no second manifest, and Prefect is to hear of this run all the same.
    code, _, again = ended("batch", "card", "--rows", rows)
    assert (code, again["rows"]) == (0, told["rows"])
    assert BatchLedger(services.backend).newest_of("card") == newest
    assert untold_runs(services.settings) == (told["run_id"], again["run_id"])


def test_an_edit_that_is_there_needs_neither_prefect_nor_the_service(
    services: Services, done: RunManifest
) -> None:
    made = edited(services, EditOrder(done.assets()[0].asset_id, "make it red"))
    code, imported, told = ended("edit", made.subject.asset.asset_id, "make it red")
    assert (code, imported - _PICTURES, told["spent_usd"]) == (0, frozenset(), 0.0)
    assert list(services.settings.home.rglob("process.json")) == []


@pytest.mark.usefixtures("done")
def test_where_prefect_has_a_page_it_is_asked_at_once(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    with pytest.raises(InvalidSettings, match="does not answer"):
        run_with(services, "chain", {}, say=lambda _: None)
    rows = products(tmp_path, "a mug")
    run_rows(services, rows)
    with pytest.raises(InvalidSettings, match="does not answer"):
        run_batch_with(plan_batch(services, rows), services)


@pytest.mark.usefixtures("done")
def test_only_the_newest_of_the_untold_runs_are_kept(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "_MOST", 2)
    made: list[RunId] = [run_unchanged("chain", {}, services).run_id for _ in range(3)]
    assert untold_runs(services.settings) == tuple(sorted(made)[1:])
    forget(services.settings, [*made, made[0]])
    assert untold_runs(services.settings) == ()
