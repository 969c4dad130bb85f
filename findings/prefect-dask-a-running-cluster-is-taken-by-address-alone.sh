#!/usr/bin/env bash
# prefect-dask 0.3.7, prefect 3.9.1, distributed 2026.8.0: a cluster given as an object ends a flow at its first task.
#
# Seen: `DaskTaskRunner(cluster=cluster)` with a running LocalCluster connects, and the first task that is submitted raises
# `TypeError: Could not serialize object of type ...`. The same flow with `address=cluster.scheduler_address` is done.
# The usual guess: the runner's documentation offers both for a cluster that runs already, so they are two spellings of one
# thing. But every task is sent to Dask with the context of its flow, the flow has its task runner, and the runner has the
# cluster, which cannot be pickled.
# What follows: hand over the scheduler's address, also where the cluster was made in the same script.
# Source: prefect_dask/task_runners.py and client.py of the package; PrefectHQ/prefect#17754 reports the same of PBSCluster.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check \
    "prefect==3.9.1" "prefect-dask==0.3.7" "distributed==2026.8.0" "fastapi<0.151" 2>/dev/null
export PREFECT_HOME="$work/prefect" DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_LOGGING_LEVEL=CRITICAL
cat >"$work/flow.py" <<'PY'
import sys

from distributed import LocalCluster
from prefect import flow, task
from prefect_dask import DaskTaskRunner


@task
def more(number: int) -> int:
    return number + 1


@flow
def counting() -> list[int]:
    return [future.result() for future in more.map([1, 2])]


if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        given = {"cluster": cluster} if sys.argv[1] == "cluster" else {"address": cluster.scheduler_address}
        try:
            print(sys.argv[1], counting.with_options(task_runner=DaskTaskRunner(**given))())
        except TypeError as error:
            print(sys.argv[1], "TypeError", str(error.args[0]).split(" of ")[0])
PY
seen=$(for given in cluster address; do "$work/venv/bin/python" "$work/flow.py" "$given" 2>/dev/null; done)
echo "$seen"
[ "$seen" = "cluster TypeError Could not serialize object
address [2, 3]" ]
