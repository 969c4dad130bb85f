"""A worker that is told to end drains: it posts nothing more, and another one goes on with its rows."""

from __future__ import annotations

import json
import shlex
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from assetmill.settings import load_settings
from assetmill.stage.services import open_services
from tests.batchworks import products
from tests.server.stack import POOL, Stack
from tests.server.supervisor import grace_s, stop

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("server"), pytest.mark.timeout(420)]

ROWS, STAGES = 12, 2


@pytest.fixture(scope="module")
def drained(world: Stack) -> Stack:
    if not world.api("POST", "/work_pools/filter", {"work_pools": {"name": {"any_": [POOL]}}}):
        world.api("POST", "/work_pools/", {"name": POOL, "type": "process"})
    made = world.run("assetmill", "deploy", "plain", "--work-pool", POOL, "--shards-only")
    assert made.returncode in {0, 2}, made.stderr
    # A run that a worker starts by a command is told to end in another way than those of other tests.
    made = world.run("assetmill", "deploy", "--work-pool", POOL, "--shards-only", "--python", sys.executable)
    assert made.returncode == 0, made.stderr
    command = f"{shlex.quote(sys.executable)} -m prefect.engine"
    assert world.deployment(f"run-shard/{POOL}")["job_variables"] == {"command": command}
    return world


def intents(world: Stack) -> int:
    settings = load_settings("local", {k: v for k, v in world.environment.items() if "ASSETMILL" in k})
    with open_services(settings) as services:
        return sum(1 for _ in services.backend.list("v1/i/"))


class Batch:
    """A batch on the pool, started as a person does, in the background."""

    def __init__(self, world: Stack, folder: Path, name: str) -> None:
        rows = products(folder, *(f"{name} {n}" for n in range(ROWS)))
        command = ["assetmill", "batch", "plain", "--rows", rows, "--name", name, "--work-pool", POOL]
        self._ended: list[Any] = []
        self._thread = threading.Thread(
            target=lambda: self._ended.append(world.run(*command, "--shard", "6", "--json", timeout=300))
        )
        self._thread.start()

    def end(self) -> tuple[int, dict[str, Any], str]:
        self._thread.join()
        told = self._ended[0]
        return told.returncode, json.loads(told.stdout), told.stderr


def test_a_worker_that_is_told_to_end_leaves_its_rows_to_the_next(drained: Stack, tmp_path: Path) -> None:
    first = drained.start_worker("drained")
    before, charged = intents(drained), drained.pictures()
    batch = Batch(drained, tmp_path, "drained")
    drained.wait_until(lambda: intents(drained) > before + 2, "a shard at work")
    told = time.monotonic()
    ended_by_itself = stop(first, grace_s("worker-1"))
    took_s = time.monotonic() - told
    drained.forget("drained")
    assert ended_by_itself, f"after {took_s:.0f} s it had to be killed\n{drained.logs()}"
    begun = intents(drained)
    drained.start_worker("after-it")
    code, document, said = batch.end()
    assert (code, document["status"]) == (0, "completed"), said
    assert drained.pictures() - charged == ROWS * STAGES, "a paid stage was charged more than once"
    assert intents(drained) > begun
    drained.kill("after-it")


def test_a_batch_that_is_cancelled_in_prefect_stops_on_its_workers(drained: Stack, tmp_path: Path) -> None:
    drained.start_worker("cancelled")
    before = intents(drained)
    batch = Batch(drained, tmp_path, "called-off")
    drained.wait_until(lambda: intents(drained) > before + 2, "a shard at work")
    (flow_run,) = [
        run
        for run in drained.api(
            "POST", "/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
        )
        if run["name"] == "batch called-off of plain"
    ]
    body = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False}
    drained.api("POST", f"/flow_runs/{flow_run['id']}/set_state", body)
    code, document, said = batch.end()
    assert (code, document["status"]) == (130, "stopped"), said
    assert "cancelled in Prefect" in document["reason"]
    at_the_end = intents(drained)
    shards = [run for run in drained.flow_runs(f"run-shard/{POOL}") if run["name"].startswith("called-off")]
    drained.wait_until(
        lambda: all(
            run["state_type"] in {"CANCELLED", "CANCELLING", "CRASHED", "COMPLETED"}
            for run in drained.flow_runs(f"run-shard/{POOL}")
            if run["name"].startswith("called-off")
        ),
        "the shards",
    )
    assert shards
    assert intents(drained) == at_the_end < before + ROWS * STAGES
    drained.kill("cancelled")
