#!/usr/bin/env bash
# prefect 3.9.1: a worker on a machine whose clock is slow lets what is due lie, and says nothing.
#
# Seen: a flow run is ordered for now. The server shows the worker as online, and later the run as late. A worker whose
# clock is right takes it within seconds; one whose clock is ten minutes slow, asking as often, takes nothing, logs
# nothing, and would begin it ten minutes late. (With a fast clock it takes runs too early, and a slot is held until they
# are due.)
# The usual guess: what is due is decided by the server that holds the schedule, so that the clocks of workers do not
# matter. But each worker asks for what is scheduled before its own time and a few seconds.
# What follows: keep the clocks of workers by NTP and watch them; a pool of which a run is late while a worker is online
# and idle has a clock to look at.
# Source: prefect/workers/base.py of the package, `_get_scheduled_flow_runs`.
set -euo pipefail
work=$(mktemp -d)
processes=()
trap 'kill -KILL "${processes[@]}" 2>/dev/null || true; wait 2>/dev/null; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check \
    "prefect==3.9.1" "fastapi<0.151" "libfaketime==3.0.1" 2>/dev/null
export PATH="$work/venv/bin:$PATH" PREFECT_HOME="$work/prefect" DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false
port=$(python -c 'import socket; one = socket.socket(); one.bind(("127.0.0.1", 0)); print(one.getsockname()[1])')
export PREFECT_API_URL="http://127.0.0.1:$port/api" PREFECT_WORKER_QUERY_SECONDS=1
faketime=$(python -c 'import libfaketime, pathlib
print(next(pathlib.Path(libfaketime.__file__).parent.rglob("libfaketime.so.1")))')

prefect server start --host 127.0.0.1 --port "$port" --no-ui >"$work/server.log" 2>&1 &
processes+=($!)
until curl -sf "$PREFECT_API_URL/health" >/dev/null; do sleep 1; done

mkdir "$work/code"
cat >"$work/code/work.py" <<'PY'
from prefect import flow


@flow
def nightly():
    print("done")
PY
cat >"$work/order.py" <<'PY'
import sys

from prefect import flow
from prefect.deployments import run_deployment

for pool in sys.argv[2:]:
    made = flow.from_source(source=sys.argv[1], entrypoint="work.py:nightly")
    made.deploy(name=pool, work_pool_name=pool, build=False, push=False, print_next_steps=False)
    run_deployment(f"nightly/{pool}", timeout=0)
PY

# Each machine has a pool of its own, so that neither takes the other's work.
for pool in right slow; do prefect work-pool create "$pool" --type process >/dev/null; done
prefect worker start --pool right --type process --name right >"$work/right.log" 2>&1 &
processes+=($!)
env LD_PRELOAD="$faketime" FAKETIME=-10m FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 \
    prefect worker start --pool slow --type process --name slow >"$work/slow.log" 2>&1 &
processes+=($!)
for log in right slow; do
    for _ in $(seq 120); do grep -q "started!" "$work/$log.log" && break; sleep 1; done
done
python "$work/order.py" "$work/code" right slow >"$work/order.log" 2>&1 || { tail -5 "$work/order.log"; exit 1; }

takes() { # LOG SECONDS
    for _ in $(seq "$2"); do
        grep -qi "submitting flow run" "$work/$1.log" && return
        sleep 1
    done
    return 1
}

takes right 60 || { echo "the worker with the right clock took nothing: $(tail -3 "$work/right.log")"; exit 1; }
echo "clock right: it took the run that was due"
if takes slow 60; then
    echo "clock ten minutes slow: it took its run as well; this has changed"
    exit 1
fi
said=$(grep -c . "$work/slow.log")
status=$(curl -sf -X POST "$PREFECT_API_URL/work_pools/slow/workers/filter" \
    -H 'content-type: application/json' -d '{}' | python -c 'import json, sys; print(json.load(sys.stdin)[0]["status"])')
echo "clock ten minutes slow: nothing taken in 60 s; the server calls it $status, and its log has $said line(s)"
[ "$status" = ONLINE ]
