"""Workers replaced one after the other in the middle of a batch: old ones refuse, every row is done once."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.batchworks import products
from tests.millworks import write_configs
from tests.server.stack import POOL, Stack, set_emulator
from tests.server.supervisor import grace_s, stop
from tests.server.upgrades import wheel

pytestmark = [
    pytest.mark.server,
    # Some minutes; what it shows of hands is in tests/tasks, of refusals in test_batch_on_workers.
    pytest.mark.soak,
    pytest.mark.xdist_group("server"),
    pytest.mark.timeout(1500),
]

ROWS, STAGES = 24, 2
STARTS_S = 400.0
"""Three processes at once begin slowly on a machine that others use too."""


def edited(world: Stack, folder: Path) -> dict[str, str]:
    """Lay out configs in which a prompt is another one."""
    theirs = Path(world.environment["ASSETMILL_CONFIGS"]) / "pipelines" / "plain.yaml"
    ours = write_configs(folder, plain=theirs.read_text().replace("again at night", "once more at night"))
    return {"ASSETMILL_CONFIGS": str(ours)}


def ended_badly(world: Stack) -> dict[str, str]:
    """Return by worker how a shard ended that it was not the one for."""
    runs = world.flow_runs(f"run-shard/{POOL}", state="FAILED")
    runs += world.flow_runs(f"run-shard/{POOL}", state="CRASHED")
    return {str(run["labels"].get("prefect.worker.name")): run["state"]["message"] for run in runs}


def test_every_row_is_done_once_while_workers_are_replaced(world: Stack, tmp_path: Path) -> None:
    if not world.api("POST", "/work_pools/filter", {"work_pools": {"name": {"any_": [POOL]}}}):
        world.api("POST", "/work_pools/", {"name": POOL, "type": "process"})
    made = world.run("assetmill", "deploy", "--work-pool", POOL, "--shards-only")
    assert made.returncode == 0, made.stderr
    world.start_worker("older", **wheel(tmp_path / "older", is_older=True))
    world.start_worker("edited", **edited(world, tmp_path / "edited"))
    # Slow enough for a batch that outlasts the upgrade.
    slow = {"ASSETMILL_CONCURRENCY": "2"}
    set_emulator(world.home / "emulator" / "ready.json", latency_s=6.0)
    first = world.start_worker("first", **slow)
    charged = world.pictures()
    rows = products(tmp_path, *(f"upgraded {n}" for n in range(ROWS)))
    command = ["assetmill", "batch", "plain", "--rows", rows, "--name", "upgraded", "--work-pool", POOL]
    ended: list[Any] = []
    runner = threading.Thread(target=lambda: ended.append(world.run(*command, "--json", timeout=1200)))
    runner.start()
    world.wait_until(lambda: ended_badly(world).keys() >= {"older", "edited"}, "both refusals", STARTS_S)
    world.wait_until(lambda: world.pictures() - charged >= 2 * STAGES, "the first rows", STARTS_S)
    assert stop(first, grace_s("worker-1"))
    world.forget("first")
    # For a while only workers are left that refuse.
    world.start_worker("first", **wheel(tmp_path / "newer", is_older=False))
    world.kill("older")
    world.start_worker("older")
    runner.join()
    told = ended[0]
    assert told.returncode == 0, f"{told.stderr}\n{told.stdout[-2000:]}\n{world.logs()}"
    assert json.loads(told.stdout)["status"] == "completed"
    assert world.pictures() - charged == ROWS * STAGES, "a paid stage was charged more than once"
    assert "is not the file that batch upgraded was planned with" in ended_badly(world)["edited"]
    assert "worker 'older' could not begin it" in told.stderr
    assert "worker 'edited' refused it" in told.stderr
    asked = json.loads(world.run("assetmill", "doctor", "--workers", POOL, "--json").stdout)
    found = {told["message"] for told in asked["findings"] if told["check"] == "workers"}
    (edited_told,) = [told for told in found if told.startswith("'edited' differs from here: ")]
    assert "configs/pipelines/plain.yaml is another one" in edited_told
    assert "'first' differs from here: code is another one" in found
    assert any(told.startswith("'older' has what is here: assetmill ") for told in found), found
    set_emulator(world.home / "emulator" / "ready.json", latency_s=2.0)
    for name in ("older", "edited", "first"):
        world.kill(name)
