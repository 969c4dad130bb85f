"""A batch on clusters whose workers are processes of their own: Dask and Ray, each row done and paid once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.batchworks import products
from tests.server.stack import Stack

pytestmark = [
    pytest.mark.server,
    # A minute each for their processes alone; a cluster within this one is in tests/flows.
    pytest.mark.soak,
    pytest.mark.xdist_group("server"),
    pytest.mark.timeout(600),
]

ROWS, STAGES = 8, 2
RUNNERS = {
    "prefect_dask": 'DaskTaskRunner(cluster_kwargs={"n_workers": 2, "dashboard_address": None})',
    "prefect_ray": 'RayTaskRunner(init_kwargs={"num_cpus": 2, "include_dashboard": False})',
}
SCRIPT = """
import asyncio, json, sys
from {module} import *
from flows.run_batch import run_batch

async def main():
    flow = run_batch.with_options(task_runner={runner})
    return await flow("plain", sys.argv[1], profile="local", work_pool="task-runner:", shard=2)

if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
"""


@pytest.mark.parametrize("module", list(RUNNERS))
def test_a_batch_is_done_once_by_a_clusters_processes(world: Stack, tmp_path: Path, module: str) -> None:
    pytest.importorskip(module, reason=f"{module} is an extra of its own")
    script = tmp_path / "cluster.py"
    script.write_text(SCRIPT.format(module=module, runner=RUNNERS[module]))
    charged = world.pictures()
    rows = products(tmp_path, *(f"{module} {number}" for number in range(ROWS)))
    told = world.run(sys.executable, str(script), rows, timeout=500)
    assert told.returncode == 0, told.stderr[-3000:]
    assert json.loads(told.stdout.splitlines()[-1])["status"] == "completed"
    assert world.pictures() - charged == ROWS * STAGES
