"""A run of which everything is there: recorded without Prefect, which hears of it later."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from assetmill.api import run_with
from assetmill.errors import InvalidSettings
from assetmill.local.own_prefect import free_port
from assetmill.records import RunId, RunManifest
from assetmill.runs import unchanged
from assetmill.runs.unchanged import forget, run_unchanged, untold_runs
from assetmill.stage.services import Services
from tests.millworks import run_here


@pytest.fixture
def done(services: Services) -> RunManifest:
    return run_here(services, "chain")


def test_a_run_with_nothing_to_do_is_recorded_without_prefect(services: Services, done: RunManifest) -> None:
    heavy = "{'prefect', 'azure', 'openai', 'boto3', 'PIL', 'numpy', 'httpx', 'asyncio'}"
    code = (
        "import sys; from assetmill.cli.main import call; code = call(['run', 'chain', '--json']); "
        f"print(code, sorted({heavy} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    document, _, last = ended.stdout.rstrip().rpartition("\n")
    assert last == "0 []"
    assert list(services.settings.home.rglob("process.json")) == []  # no server, no emulator
    told = json.loads(document)
    assert {stage["status"] for stage in told["stages"]} == {"reused"}
    assert (told["status"], told["spent_usd"], told["flow_run_id"]) == ("completed", 0.0, None)
    newest = services.ledger.latest_manifest("chain")
    assert newest
    assert (newest.run_id, newest.assets()) == (told["run_id"], done.assets())
    assert services.ledger.read_start(newest.run_id)
    assert untold_runs(services.settings) == (newest.run_id,)


@pytest.mark.usefixtures("done")
def test_where_prefect_has_a_page_it_is_asked_at_once(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    with pytest.raises(InvalidSettings, match="does not answer"):
        run_with(services, "chain", {}, say=lambda _: None)


@pytest.mark.usefixtures("done")
def test_only_the_newest_of_the_untold_runs_are_kept(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "_MOST", 2)
    made: list[RunId] = [run_unchanged("chain", {}, services).run_id for _ in range(3)]
    assert untold_runs(services.settings) == tuple(sorted(made)[1:])
    forget(services.settings, [*made, made[0]])
    assert untold_runs(services.settings) == ()
