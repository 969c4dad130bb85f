#!/usr/bin/env bash
# prefect 3.9.1: the health check of a worker says 503 when its server is away, though the worker waits and goes on.
#
# Seen: `prefect worker start --with-healthcheck` answers /health with 200. Its server is stopped: from thirty times the
# query interval on it answers 503, `Worker may be unresponsive at this time`, while the process stays and goes on
# asking. The server is started again: 200, without a restart.
# The usual guess: a health check for a container tells whether its process is sound, so it is the liveness probe. With
# the probe's usual patience (Kubernetes: three times ten seconds) every worker is restarted, with the flow runs that
# are at work inside it, because another service is away, and again for as long as it is.
# What follows: give the probe the patience of the longest outage that flow runs are to survive, or use none.
# Source: prefect/workers/base.py and prefect/workers/server.py of the package; what was answered here.
set -euo pipefail
work=$(mktemp -d)
processes=()
trap 'kill -KILL "${processes[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check "prefect==3.9.1" "fastapi<0.151" 2>/dev/null
export PATH="$work/venv/bin:$PATH" PREFECT_HOME="$work/prefect" DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false
read -r server worker < <(python - <<'PYTHON'
import socket

found = [socket.socket() for _ in range(2)]
for one in found:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in found))
PYTHON
)
export PREFECT_API_URL="http://127.0.0.1:$server/api"
export PREFECT_WORKER_QUERY_SECONDS=1 PREFECT_WORKER_WEBSERVER_HOST=127.0.0.1 PREFECT_WORKER_WEBSERVER_PORT="$worker"

serve() {
    prefect server start --host 127.0.0.1 --port "$server" --no-ui >"$work/server.log" 2>&1 &
    server_pid=$!
    processes+=("$server_pid")
    until curl -sf "$PREFECT_API_URL/health" >/dev/null; do sleep 1; done
}

becomes() { # STATUS SECONDS
    for _ in $(seq "$2"); do
        said=$(curl -s -o /dev/null -w '%{http_code}' "127.0.0.1:$worker/health" || true)
        [ "$said" = "$1" ] && return
        sleep 1
    done
    echo "it says $said, not $1"
    exit 1
}

serve
prefect work-pool create pool --type process >/dev/null
prefect worker start --pool pool --type process --with-healthcheck >"$work/worker.log" 2>&1 &
worker_pid=$!
processes+=("$worker_pid")
becomes 200 90
# Until it has spoken with its server once it says 200 whatever happens.
until curl -sf -X POST -H 'Content-Type: application/json' -d '{}' \
    "$PREFECT_API_URL/work_pools/pool/workers/filter" | grep -q ONLINE; do sleep 1; done
echo "the server is there: 200"
kill -KILL "$server_pid"
wait "$server_pid" 2>/dev/null || true
becomes 503 120
kill -0 "$worker_pid"
echo "the server is away: 503, and the worker is there"
serve
becomes 200 60
kill -0 "$worker_pid"
echo "the server is back: 200, from the same process"
