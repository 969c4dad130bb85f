"""What a container runtime does to the first process of a container: TERM, a wait, and KILL for the rest."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import yaml

from tests.server.processes import descendants

COMPOSE = Path(__file__).parents[2] / "deployments" / "compose.yaml"


def grace_s(service: str) -> float:
    """Return how long the compose file lets a service end, in seconds."""
    told = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"][service]["stop_grace_period"]
    found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", str(told))
    assert found, told
    minutes, seconds = (int(part or 0) for part in found.groups())
    return 60.0 * minutes + seconds


def stop(process: subprocess.Popen[bytes], within_s: float) -> bool:
    """Stop a process as a runtime stops a container; return whether everything in it ended by itself.

    TERM goes to the first process alone; when that ends, or its time is over, all others are killed.
    """
    inside = descendants(process.pid)
    os.kill(process.pid, signal.SIGTERM)
    until = time.monotonic() + within_s
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    left = [pid for pid in (*inside, process.pid) if _is_alive(pid)]
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    return not left


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
