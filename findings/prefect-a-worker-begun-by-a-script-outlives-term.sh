#!/usr/bin/env bash
# prefect 3.9.1: a worker that a script began in the background does not end on SIGTERM.
#
# Seen: a script runs `prefect worker start … &` and later sends the worker SIGTERM. It says `Received SIGINT. Sending
# SIGINT to the process worker`, and goes on asking for flow runs. The same worker, begun where SIGINT has its default, ends
# within seconds on the same signal.
# The usual guess: SIGTERM ends it, as supervisors, `kill` and the ends of CI jobs take for granted, however it was
# begun. But a shell that is not interactive has its background commands ignore SIGINT, that is inherited, and the
# worker's handler of the first SIGTERM only raises a SIGINT.
# What follows: begin workers so that SIGINT is not ignored (a supervisor, tini, `exec`, an interactive shell; from
# Python: restore SIGINT before it), or send SIGTERM twice and then SIGKILL.
# Source: prefect/utilities/processutils.py of the package; POSIX, Shell Command Language, 2.11 (asynchronous lists and
# SIGINT).
set -euo pipefail
work=$(mktemp -d)
processes=()
trap 'kill -KILL "${processes[@]}" 2>/dev/null || true; wait 2>/dev/null; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check "prefect==3.9.1" "fastapi<0.151" 2>/dev/null
export PATH="$work/venv/bin:$PATH" PREFECT_HOME="$work/prefect" DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false
port=$(python -c 'import socket; one = socket.socket(); one.bind(("127.0.0.1", 0)); print(one.getsockname()[1])')
export PREFECT_API_URL="http://127.0.0.1:$port/api" PREFECT_WORKER_QUERY_SECONDS=1

prefect server start --host 127.0.0.1 --port "$port" --no-ui >"$work/server.log" 2>&1 &
processes+=($!)
until curl -sf "$PREFECT_API_URL/health" >/dev/null; do sleep 1; done
prefect work-pool create pool --type process >/dev/null

starts() { # LOG
    for _ in $(seq 120); do
        grep -q "started!" "$1" && return
        sleep 1
    done
    echo "no worker started: $(tail -3 "$1")"
    exit 1
}

ends() { # PID SECONDS
    for _ in $(seq "$2"); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 1
    done
    return 1
}

# `&` in this script: bash has the worker ignore SIGINT.
prefect worker start --pool pool --type process --name begun-by-a-script >"$work/ignoring.log" 2>&1 &
ignoring=$!
processes+=("$ignoring")
starts "$work/ignoring.log"
kill -TERM "$ignoring"
if ends "$ignoring" 30; then
    echo "it has ended: this has changed"
    exit 1
fi
echo "begun by a script, SIGTERM: there after 30 s; it said: $(grep -i sigint "$work/ignoring.log" | tail -1)"

# The same command, with SIGINT as a supervisor would leave it.
python -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
' prefect worker start --pool pool --type process --name begun-by-a-supervisor >"$work/default.log" 2>&1 &
default=$!
processes+=("$default")
starts "$work/default.log"
kill -TERM "$default"
ends "$default" 30 || { echo "it is there after 30 s as well: this has changed"; exit 1; }
echo "begun with SIGINT as usual, SIGTERM: ended"
