"""What ends a command from outside: in every phase it stops soon, seals what it began and begins no more."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.millworks import PICTURE, write_configs
from tests.server.stack import set_emulator

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(240)]

SLOW = f"""
name: slow
parameters: {{word: {{default: alpha}}}}
defaults: {{quality: low}}
stages:
  - name: first
    prompt: Draw a red lighthouse about {{{{ word }}}}.{PICTURE % "first"}
  - name: second
    prompt: Make it night.{PICTURE % "second"}
    inputs: [{{from: first}}]
  - name: third
    prompt: Make it winter.{PICTURE % "third"}
    inputs: [{{from: second}}]
"""
PLENTY_S = 20.0
"""A command that is told to go has 5 s; what is more would be a machine that does too much else."""


class Yard:
    """A folder in which commands run. `first` is the run that was there before all others."""

    first: str

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / ".assetmill"
        configs = write_configs(folder / "configs", slow=SLOW)
        (folder / "rows.csv").write_text("word\nbeta\ngamma\n")
        self._started: list[subprocess.Popen[str]] = []
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "ASSETMILL_"))}
        self.environment = {**clean, "ASSETMILL_CONFIGS": str(configs), "ASSETMILL_HOME": str(self.home)}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(
            [sys.executable, "-m", "assetmill.cli.main", *arguments],
            cwd=self.folder,
            env=self.environment,
            **{**streams, **options},
        )
        self._started.append(process)
        return process

    def clear(self) -> None:
        """End what a failed test has left."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            if process.stdout:
                process.stdout.close()
            process.wait()
        self._started.clear()

    def run(self, *arguments: str, **options: Any) -> str:
        done = self.start(*arguments, **options)
        out, _ = done.communicate(timeout=120)
        assert done.returncode == 0, out
        return out

    def set(self, **settings: Any) -> None:
        set_emulator(self.home / "emulator" / "ready.json", **settings)

    def newest(self) -> dict[str, Any]:
        return json.loads(self.run("show", "--json"))["runs"][0]


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    yard = Yard(tmp_path_factory.mktemp("yard"))
    yard.first = json.loads(yard.run("run", "slow", "--json", stderr=subprocess.DEVNULL))["run_id"]
    yield yard
    yard.run("stop")


@pytest.fixture(autouse=True)
def slowly(yard: Yard) -> Iterator[None]:
    yard.set(latency_s=30.0, canned_pictures=True)
    yield
    yard.clear()
    yard.set(latency_s=0.0, quota={})


def ended(process: subprocess.Popen[str], until: str, number: signal.Signals) -> str:
    """Wait until a command says something, send it a signal, and return what it says from then on."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if until in line:
            break
    else:
        raise AssertionError(f"it never said {until!r}: {said}")
    sent = time.monotonic()
    process.send_signal(number)
    rest, _ = process.communicate(timeout=PLENTY_S)
    assert "Traceback" not in said + rest
    assert "started" not in rest, f"{time.monotonic() - sent:.1f} s after it: {rest}"
    assert process.returncode == 128 + number, rest
    return rest


PHASES = {
    "run-planned": ("3 stages", ["run", "slow", "-p", "word=planned"]),
    "run-begun": ("started", ["run", "slow", "-p", "word=begun"]),
    "batch-planned": ("2 rows", ["batch", "slow", "--rows", "rows.csv", "--name", "planned"]),
    "batch-begun": ("of 6 stages", ["batch", "slow", "--rows", "rows.csv", "--name", "begun"]),
    "edit-begun": ("started", ["edit", "{first}/first/first.png", "make it dusk", "--box", "0,0,200,200"]),
    "update-begun": ("started", ["update", "slow", "-p", "word=locked"]),
}


@pytest.mark.parametrize("phase", PHASES)
def test_a_termination_ends_a_command_in_every_phase(yard: Yard, phase: str) -> None:
    until, arguments = PHASES[phase]
    ended(yard.start(*(word.format(first=yard.first) for word in arguments)), until, signal.SIGTERM)
    assert yard.newest()["status"] != "open"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_every_signal_does_what_ctrl_c_does(yard: Yard, number: signal.Signals) -> None:
    ended(yard.start("run", "slow", "-p", f"word={number.name}"), "started", number)
    assert yard.newest()["status"] == "cancelled"


def test_a_stage_that_waits_for_a_quota_is_stopped(yard: Yard) -> None:
    yard.set(quota={"*": {"requests_per_minute": 0.001}})
    ended(yard.start("run", "slow", "-p", "word=waits"), "waiting", signal.SIGTERM)
    assert yard.newest()["status"] == "cancelled"


def test_a_command_ends_with_its_terminal(yard: Yard) -> None:
    ours, its = pty.openpty()
    process = yard.start(
        "run", "slow", "-p", "word=terminal", stdin=its, stdout=its, stderr=its, preexec_fn=_take_terminal
    )
    os.close(its)
    said = b""
    while b"running" not in said and b"first" not in said:
        said += os.read(ours, 4096)
    os.close(ours)
    assert process.wait(PLENTY_S) == 128 + signal.SIGHUP
    assert yard.newest()["status"] == "cancelled"


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_what_was_started_to_outlive_its_terminal_goes_on(yard: Yard) -> None:
    yard.set(latency_s=2.0)
    process = yard.start("run", "slow", "-p", "word=nohup", preexec_fn=_ignore_hangup)
    assert process.stdout is not None
    for line in process.stdout:
        if "started" in line:
            process.send_signal(signal.SIGHUP)
            break
    process.communicate(timeout=120)
    assert process.returncode == 0


def _ignore_hangup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_a_served_run_ends_with_its_server(yard: Yard) -> None:
    ready = json.loads((yard.home / "prefect" / "ready.json").read_bytes())
    secret = (yard.home / "prefect" / "auth").read_text().strip()
    yard.environment |= {"PREFECT_API_URL": ready["api_url"], "PREFECT_API_AUTH_STRING": secret}
    process = yard.start("serve", "slow")
    assert process.stdout is not None
    for line in process.stdout:
        if "serving slow/served" in line:
            break
    intents = set(_intents(yard))
    found = ask(ready["api_url"], secret, "GET", "/deployments/name/slow/served")
    body = {"parameters": {"word": "served"}, "state": {"type": "SCHEDULED"}}
    ask(ready["api_url"], secret, "POST", f"/deployments/{found['id']}/create_flow_run", body)
    while not set(_intents(yard)) - intents:
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PLENTY_S)
    assert process.returncode == 128 + signal.SIGTERM
    assert yard.newest()["status"] == "cancelled"


def _intents(yard: Yard) -> list[Path]:
    return list((yard.home / "store" / "v1" / "i").glob("*/*"))


def ask(api_url: str, secret: str, method: str, path: str, body: object = None) -> Any:
    basic = base64.b64encode(secret.encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{api_url}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Basic {basic}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read())
