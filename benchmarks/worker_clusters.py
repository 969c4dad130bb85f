"""A batch on a cluster of processes, Dask's or Ray's: the program that `benchmarks.workers` starts for it.

python -m benchmarks.worker_clusters dask 4 ROWS NAME SHARD

The cluster is there before the order is given, as the workers of a pool are. Prints when it was given and how
it ended.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from flows.run_batch import run_batch
from tasks.spread import TASK_RUNNER


@contextmanager
def dask(workers: int) -> Generator[Any]:
    """Start a cluster of so many processes, one shard each, and give tasks to it."""
    distributed = importlib.import_module("distributed")
    with distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
        cluster.wait_for_workers(workers)
        # By its address: a cluster that the runner holds would be pickled with each task, which fails.
        yield importlib.import_module("prefect_dask").DaskTaskRunner(address=cluster.scheduler_address)


@contextmanager
def ray(workers: int) -> Generator[Any]:
    """Start so many workers on this machine, and give tasks to them."""
    with importlib.import_module("ray").init(num_cpus=workers, include_dashboard=False):
        yield importlib.import_module("prefect_ray").RayTaskRunner()


CLUSTERS: dict[str, Callable[[int], AbstractContextManager[Any]]] = {"dask": dask, "ray": ray}


def main(on: str, workers: str, rows: str, name: str, shard: str) -> int:
    """Carry a batch out on a cluster, and print the times and how it ended."""
    with CLUSTERS[on](int(workers)) as runner:
        flow = run_batch.with_options(task_runner=runner)
        began_at = time.time()
        asked: Any = flow("plain", rows, name=name, profile="local", work_pool=TASK_RUNNER, shard=int(shard))
        facts = asyncio.run(asked)
        told = {"began_at": began_at, "ended_at": time.time(), "status": facts["status"]}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
