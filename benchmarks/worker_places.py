"""On what the workers of a batch run: process workers of a Prefect pool, or a cluster of Dask or Ray."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.worker_clusters import CLUSTERS
from benchmarks.worker_costs import Processes
from tests.server.stack import POOL, Stack

PLACES = ("pool", *CLUSTERS)
MOST_S = 3000.0


@dataclass(frozen=True)
class Order:
    """A batch that is wanted: its table, its name, the most rows of a piece, and of how many workers."""

    table: str
    name: str
    rows: int
    most: int
    workers: int


@dataclass(frozen=True)
class Done:
    """When a batch was ordered and when it had ended, and what it has used."""

    began_at: float
    ended_at: float
    processes: Processes


def done_on(place: str, made: Stack, order: Order) -> Done:
    """Have a batch done by the workers of a place; they are there before it is ordered."""
    return _on_pool(made, order) if place == "pool" else _on_cluster(place, made, order)


def leave(place: str, made: Stack, workers: int) -> None:
    """End the workers of a place, so that the next one has the machine; a cluster ends with its batch."""
    for name in _names(workers) if place == "pool" else ():
        made.kill(name)


def online(made: Stack) -> int:
    """Return how many workers the pool has."""
    workers: list[dict[str, str]] = made.api("POST", f"/work_pools/{POOL}/workers/filter", {}) or []
    return sum(worker["status"] == "ONLINE" for worker in workers)


def _on_pool(made: Stack, order: Order) -> Done:
    names = _names(order.workers)
    for name in names[online(made) :]:
        made.start_worker(name)
    made.wait_until(lambda: online(made) == order.workers, "the workers")
    command = ["assetmill", "batch", "plain", "--rows", order.table, "--name", order.name]
    command += ["--work-pool", POOL, "--shard", str(order.most), "--json"]
    roots = {name: made.process(name).pid for name in names}
    began_at = time.time()
    told, processes = _run(made, command, roots, is_cluster=False)
    ended_at = time.time()
    document = json.loads(told)
    assert (document["status"], len(document["rows"])) == ("completed", order.rows), document["status"]
    return Done(began_at, ended_at, processes)


def _on_cluster(place: str, made: Stack, order: Order) -> Done:
    shard = math.ceil(order.rows / order.workers)
    command = [sys.executable, "-m", "benchmarks.worker_clusters", place, str(order.workers)]
    told, processes = _run(made, [*command, order.table, order.name, str(shard)], {}, is_cluster=True)
    document: Mapping[str, Any] = json.loads(told.splitlines()[-1])
    assert document["status"] == "completed", document
    return Done(document["began_at"], document["ended_at"], processes)


def _names(workers: int) -> list[str]:
    return [f"w{number + 1}" for number in range(workers)]


def _run(
    made: Stack, command: list[str], roots: Mapping[str, int], *, is_cluster: bool
) -> tuple[str, Processes]:
    """Run a command to its end, and sample it beside what was there already; return what it has printed."""
    errors = made.folder / "command.err"
    with (
        errors.open("wb") as sink,
        subprocess.Popen(
            command, cwd=made.folder, env=made.environment, stdout=subprocess.PIPE, stderr=sink, text=True
        ) as command_run,
        Processes({**roots, "command": command_run.pid}, is_cluster=is_cluster) as processes,
    ):
        told, _ = command_run.communicate(timeout=MOST_S)
    said = errors.read_text(errors="replace")
    assert command_run.returncode == 0, told[-2000:] + said[-4000:] + made.logs()
    return told, processes
