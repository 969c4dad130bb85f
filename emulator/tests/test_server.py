"""The server as a process: killed, started again, started twice, idle, told to end."""

from __future__ import annotations

import fcntl
import json
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from foundry_emulator.at_rest import NoSuchState, expire, read_bill
from foundry_emulator.server import USERS_NAME, StateInUse, running
from foundry_emulator.testing.calls import Control, Raw, events
from foundry_emulator.testing.scripted import toolbox

pytestmark = pytest.mark.server

# The process runs the scripted parts, so that the test does not wait for painters.
_PROGRAM = """
import asyncio, sys
from pathlib import Path
from foundry_emulator.server import Emulator
from foundry_emulator.testing.scripted import toolbox
idle = float(sys.argv[2]) if len(sys.argv) > 2 else None
emulator = Emulator(Path(sys.argv[1]), toolbox=toolbox(), idle_timeout_s=idle)
asyncio.run(emulator.serve(handle_signals=True))
"""


@contextmanager
def process(state_dir: Path, *arguments: str) -> Generator[subprocess.Popen[bytes]]:
    ready = state_dir / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-c", _PROGRAM, str(state_dir), *arguments]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3]) as child:
        try:
            deadline = time.monotonic() + 20
            while not ready.exists():
                assert child.poll() is None, "the emulator ended at its start"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield child
        finally:
            child.kill()


@contextmanager
def talking(state_dir: Path) -> Generator[tuple[Raw, Control]]:
    ready: dict[str, Any] = json.loads((state_dir / "ready.json").read_text())
    context = ssl.create_default_context(cafile=ready["ca"])
    with httpx2.Client(verify=context, trust_env=False, timeout=20) as http:
        headers = {"X-IDENTITY-HEADER": ready["identity_header"]}
        issued = http.get(ready["identity_endpoint"], params={"resource": "x"}, headers=headers).json()
        raw = Raw(http, ready["endpoint"], issued["access_token"])
        yield raw, Control(http, ready["control"], ready["token"])


def test_what_was_stored_outlives_a_kill_and_what_ran_has_failed(tmp_path: Path) -> None:
    image: Any = {"type": "image_generation"}
    with process(tmp_path) as child, talking(tmp_path) as (raw, control):
        first_endpoint = raw.endpoint
        conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
        done = raw.respond("draw", tools=[image], conversation=conversation)
        file_id = raw.upload("a.txt", b"kept")
        control.post("settings", {"latency_s": 60})
        plain = raw.respond("draw", tools=[image], background=True, conversation=conversation)
        request = {"model": "gpt-4.1", "input": "say:x", "background": True, "stream": True}
        with raw.http.stream(
            "POST", f"{raw.endpoint}/openai/v1/responses", headers=raw.headers, json=request
        ) as stream:
            head = next(stream.iter_text())
        streamed = events(head.partition("\n\n")[0] + "\n\n")[0]["response"]["id"]
        child.send_signal(signal.SIGKILL)
        child.wait()
    bill = read_bill(tmp_path)
    assert [line["kind"] for line in bill] == ["image", "tokens"]
    with process(tmp_path), talking(tmp_path) as (raw, control):
        assert raw.endpoint == first_endpoint
        assert raw.ok("GET", f"openai/v1/responses/{done['id']}") == done
        assert raw.call("GET", f"openai/v1/files/{file_id}/content").content == b"kept"
        listed = raw.ok("GET", f"openai/v1/responses?conversation_id={conversation}")["data"]
        assert [(one["id"], one["status"]) for one in listed] == [
            (plain["id"], "failed"),
            (done["id"], "completed"),
        ]
        replay = events(raw.call("GET", f"openai/v1/responses/{streamed}?stream=true&starting_after=0").text)
        assert replay[-1]["type"] == "response.failed"
        assert [event["sequence_number"] for event in replay] == list(range(1, len(replay) + 1))
        assert control.bill() == bill


def test_two_servers_never_share_a_state(tmp_path: Path) -> None:
    with running(tmp_path, toolbox=toolbox()):
        with pytest.raises(StateInUse, match=r"ready\.json"), running(tmp_path, toolbox=toolbox()):
            pass
        assert (tmp_path / "ready.json").exists()


def test_the_command_says_where_it_is_and_ends_on_sigterm(tmp_path: Path) -> None:
    ready_file = tmp_path / "elsewhere" / "ready.json"
    command = [sys.executable, "-m", "foundry_emulator", "--state", str(tmp_path / "s")]
    with subprocess.Popen(
        [*command, "--ready-file", str(ready_file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        first = child.stdout.readline().decode()
        assert first.startswith("export FOUNDRY_PROJECT_ENDPOINT=https://127.0.0.1:")
        ready = json.loads(ready_file.read_text())
        assert set(ready) >= {"endpoint", "ca", "identity_endpoint", "identity_header", "control", "token"}
        assert ready_file.stat().st_mode & 0o077 == 0
        second = subprocess.run(command, capture_output=True, check=False, timeout=20)
        assert second.returncode == 2
        assert b"already runs" in second.stderr
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=10)
        assert (child.returncode, errors) == (0, b"")
    assert not ready_file.exists()


def test_a_tool_in_the_middle_of_its_work_does_not_hold_the_end_up(tmp_path: Path) -> None:
    with process(tmp_path) as child:
        with talking(tmp_path) as (raw, _):
            raw.respond("pause:60", background=True)
        begun = time.monotonic()
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=10) == 0
        assert time.monotonic() - begun < 5
    assert not (tmp_path / "ready.json").exists()


def test_an_idle_server_ends_by_itself(tmp_path: Path) -> None:
    with process(tmp_path, "0.2") as child:
        assert child.wait(timeout=10) == 0


def test_an_idle_server_stays_while_somebody_holds_the_users_lock(tmp_path: Path) -> None:
    with (tmp_path / USERS_NAME).open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        with process(tmp_path, "0.2") as child:
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(timeout=2.5)  # it looks once a second
            with talking(tmp_path) as (raw, _):
                raw.respond("say:x")
            users.close()
            assert child.wait(timeout=10) == 0
    assert not (tmp_path / "ready.json").exists()


def test_bill_and_expiry_work_on_a_state_at_rest(tmp_path: Path) -> None:
    with running(tmp_path, toolbox=toolbox()), talking(tmp_path) as (raw, _):
        body = raw.respond("say:x")
        raw.upload("a.txt", b"x")
    assert [line["response_id"] for line in read_bill(tmp_path)] == [body["id"]]
    assert expire(tmp_path, ["all"]) == {"files": 1, "containers": 0, "responses": 1, "vector_stores": 0}
    with running(tmp_path, toolbox=toolbox()), talking(tmp_path) as (raw, _):
        assert raw.call("GET", f"openai/v1/responses/{body['id']}").status_code == 404
        assert raw.ok("GET", "openai/v1/files")["data"] == []


def test_a_directory_without_a_state_has_no_bill(tmp_path: Path) -> None:
    with pytest.raises(NoSuchState, match="no emulator state"):
        read_bill(tmp_path)
    with pytest.raises(ValueError, match="cannot expire"), running(tmp_path, toolbox=toolbox()):
        expire(tmp_path, ["nonsense"])


def test_reading_a_bill_loads_no_web_framework() -> None:
    program = (
        "import foundry_emulator.at_rest, sys; sys.exit('starlette' in sys.modules or 'PIL' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_settings_and_clock_outlive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, toolbox=toolbox()), talking(tmp_path) as (_, control):
        control.post("settings", {"flavour": "openai", "latency_s": 0.01})
        now = control.post("clock", {"advance_s": 1000})["now"]
    with running(tmp_path, toolbox=toolbox()), talking(tmp_path) as (_, control):
        assert control.get("settings")["flavour"] == "openai"
        assert control.post("clock", {})["now"] >= now
