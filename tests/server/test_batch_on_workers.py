"""A real Prefect server on a real PostgreSQL, two process workers, and what befalls them in the middle."""

from __future__ import annotations

import asyncio
import datetime
import json
import threading
import urllib.error
from collections import Counter
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
import jsonschema
import pytest
import yaml

from assetmill.settings import load_settings
from assetmill.spec.loading import load_pipeline
from assetmill.spec.schema import parameter_schema
from assetmill.stage.services import Services, open_services
from tests.batchworks import products
from tests.millworks import write_configs
from tests.server.clocks import find_library
from tests.server.pool_troubles import PERSON, WORKERS, Kind, Troubler, machines, troubles
from tests.server.stack import LATENCY_S, POOL, Stack, set_emulator

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("server"), pytest.mark.timeout(420)]

ROWS, STAGES, SEED = 16, 2, 1
STARTS_S = 240.0
"""Two processes at once begin slowly on a machine that others use too."""

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"


@pytest.fixture(scope="module")
def deployed(world: Stack) -> Stack:
    created = world.api("POST", "/work_pools/", {"name": POOL, "type": "process"})
    assert created["name"] == POOL
    made = world.run("assetmill", "deploy", "plain", "--work-pool", POOL, "--json")
    assert made.returncode == 0, made.stderr
    assert [entry["name"] for entry in json.loads(made.stdout)["deployments"]] == [
        f"plain/{POOL}",
        f"run-shard/{POOL}",
    ]
    # Its schedule belongs to another test; it may have been looked at before it was paused.
    world.pause(f"plain/{POOL}")
    for run in world.flow_runs(f"plain/{POOL}"):
        world.api("DELETE", f"/flow_runs/{run['id']}")
    return world


def test_a_pool_may_be_prepared_for_shards_alone(world: Stack) -> None:
    world.api("POST", "/work_pools/", {"name": "back", "type": "process"})
    made = world.run("assetmill", "deploy", "--work-pool", "back", "--shards-only", "--json")
    assert [entry["name"] for entry in json.loads(made.stdout)["deployments"]] == ["run-shard/back"]
    assert world.run("assetmill", "deploy", "plain", "--work-pool", "back", "--shards-only").returncode == 2


def test_autoscaling_counts_the_shards_that_wait_for_workers(world: Stack) -> None:
    world.api("POST", "/work_pools/", {"name": "scaled", "type": "process"})
    asked: dict[str, Any] = {"name": "wait", "entrypoint": "x", "work_pool_name": "scaled"}
    flow = world.api("POST", "/flows/", {"name": "wait"})
    made = world.api("POST", "/deployments/", {**asked, "flow_id": flow["id"]})
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    for details in ({}, {}, {"scheduled_time": tomorrow.isoformat()}):
        body = {"state": {"type": "SCHEDULED", "state_details": details}}
        world.api("POST", f"/deployments/{made['id']}/create_flow_run", body)
    documents = yaml.safe_load_all((DEPLOYMENTS / "kubernetes" / "autoscaling.yaml").read_text())
    scaled = next(told for told in documents if told["kind"] == "ScaledObject")
    query: str = scaled["spec"]["triggers"][0]["metadata"]["query"]
    assert "'assetmill'" in query

    async def count() -> int:
        database = await cast("Any", asyncpg).connect(world.database.url.replace("+asyncpg", ""))
        try:
            return await database.fetchval(query.replace("'assetmill'", "'scaled'"))
        finally:
            await database.close()

    assert asyncio.run(count()) == 2


def store(world: Stack) -> Any:
    settings = load_settings("local", {k: v for k, v in world.environment.items() if "ASSETMILL" in k})
    return open_services(settings)


def owners(services: Services) -> Counter[str]:
    """Count the intents of each process that had any."""
    found: Counter[str] = Counter()
    for entry in services.backend.list("v1/i/"):
        found[json.loads(services.backend.get(entry.key))["owner"]] += 1
    return found


def stored(services: Services) -> int:
    return sum(1 for _ in services.backend.list("v1/s/"))


def test_the_form_is_the_pipelines_and_a_bad_value_is_refused_before_a_run_starts(deployed: Stack) -> None:
    found = deployed.deployment(f"plain/{POOL}")
    schema = found["parameter_openapi_schema"]
    configs = Path(deployed.environment["ASSETMILL_CONFIGS"])
    assert schema == parameter_schema(load_pipeline("plain", configs).spec)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert found["concurrency_limit"] == 1 or found["global_concurrency_limit"]["limit"] == 1
    for bad in ({"product": "a mug", "colour": "green"}, {"colour": "red"}, {"product": "a", "x": 1}):
        body = {"parameters": bad, "enforce_parameter_schema": True, "state": {"type": "SCHEDULED"}}
        with pytest.raises(urllib.error.HTTPError) as refused:
            deployed.api("POST", f"/deployments/{found['id']}/create_flow_run", body)
        assert 400 <= refused.value.code < 500
        refused.value.close()
    # Its schedule may have been looked at before it was paused.
    assert [run for run in deployed.flow_runs(f"plain/{POOL}") if not run["auto_scheduled"]] == []


def test_a_batch_survives_what_a_seed_brings_over_its_pool(deployed: Stack, tmp_path: Path) -> None:
    kinds: tuple[Kind, ...] = (
        "kill worker", "kill prefect", "kill database", "reset network", "set clock"
    )  # fmt: skip
    rows = products(tmp_path, *(f"thing {n}" for n in range(ROWS)))
    ended: list[Any] = []
    batch = ["assetmill", "batch", "plain", "--rows", rows, "--work-pool", POOL, "--shard", "8", "--json"]
    with ExitStack() as opened, store(deployed) as services:
        pool = machines(opened, deployed, tmp_path, find_library())
        troubler, slow = Troubler(deployed, pool), {"ASSETMILL_CONCURRENCY": "2"}
        person = {**pool[PERSON].environment, **slow}
        runner = threading.Thread(
            target=lambda: ended.append(deployed.run(*batch, environment=person, timeout=360))
        )
        for name in WORKERS:
            pool[name].environment.update(slow)
            troubler.start_worker(name)
        # Other tests share the store and the bill.
        records, charges, others = stored(services), deployed.pictures(), owners(services)
        # Else the first one may have done it all before the second one has begun.
        ready = deployed.home / "emulator" / "ready.json"
        set_emulator(ready, latency_s=8.0)
        runner.start()
        deployed.wait_until(lambda: len(owners(services) - others) >= 2, "two at work", STARTS_S)
        set_emulator(ready, latency_s=LATENCY_S)
        for trouble in islice(troubles(SEED, kinds, ("prefect",), (1.0, 2.0)), len(kinds)):
            troubler.bring(trouble)
        runner.join()
        told = ended[0]
        assert told.returncode == 0, f"{told.stderr}\n{told.stdout[-2000:]}\n{deployed.logs()}"
        document = json.loads(told.stdout)
        assert (document["status"], len(document["rows"])) == ("completed", ROWS)
        assert stored(services) - records == ROWS * STAGES
        assert deployed.pictures() - charges == ROWS * STAGES, "a paid stage was charged more than once"
        shards = deployed.flow_runs(f"run-shard/{POOL}")
        assert {run["labels"].get("prefect.worker.name") for run in shards} >= {*WORKERS}
        # Their ways to Prefect end here, and it still counts them: the next test needs one that is there.
        for name in WORKERS:
            deployed.kill(name)
        deployed.start_worker(WORKERS[0])


def online(world: Stack) -> list[str]:
    workers: list[dict[str, Any]] = world.api("POST", f"/work_pools/{POOL}/workers/filter", {}) or []
    return [worker["name"] for worker in workers if worker["status"] == "ONLINE"]


def test_a_worker_with_another_pipeline_file_is_not_asked_time_and_again(
    deployed: Stack, tmp_path: Path
) -> None:
    if not online(deployed):
        deployed.start_worker("w4")
        deployed.wait_until(lambda: online(deployed), "a worker")
    theirs = Path(deployed.environment["ASSETMILL_CONFIGS"])
    ours = write_configs(
        tmp_path / "configs", plain=(theirs / "pipelines" / "plain.yaml").read_text() + "# changed\n"
    )
    known = {run["id"] for run in deployed.flow_runs(f"run-shard/{POOL}")}
    done = deployed.run(
        "assetmill", "batch", "plain", "--rows", products(tmp_path, "a stale thing"), "--work-pool", POOL,
        environment={"ASSETMILL_CONFIGS": str(ours)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    tried = [run for run in deployed.flow_runs(f"run-shard/{POOL}") if run["id"] not in known]
    # Prefect may still count a worker that was killed as one that could try.
    assert 1 <= len(tried) <= 2
    assert "refused it: " in done.stdout
    assert "bring this machine up to date" in done.stdout


def test_a_schedule_fires(deployed: Stack) -> None:
    made = deployed.run("assetmill", "deploy", "card", "--work-pool", POOL)
    assert made.returncode == 0, made.stderr
    try:
        if not online(deployed):
            deployed.start_worker("w3")
        deployed.wait_until(lambda: completed(deployed), "a scheduled run")
    finally:
        deployed.pause(f"card/{POOL}")
    assert completed(deployed)[0]["parameters"] == {"product": "a clock", "colour": "teal"}


def completed(world: Stack) -> list[dict[str, Any]]:
    return [run for run in world.flow_runs(f"card/{POOL}", state="COMPLETED") if run["auto_scheduled"]]
