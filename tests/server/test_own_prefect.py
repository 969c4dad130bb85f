"""`deploy` and `serve` where nobody exported PREFECT_API_URL: the project's own Prefect, and no other."""

from __future__ import annotations

import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.millworks import write_configs
from tests.server.conftest import CARD

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("own prefect"), pytest.mark.timeout(240)]


class Place:
    """A project of its own, and a person whose home directory has nothing in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.person = folder / "project", folder / "person"
        self.person.mkdir()
        write_configs(self.folder / "configs", card=CARD)
        kept = ("PATH", "LANG", "TMPDIR", "DO_NOT_TRACK")
        self.environ = {name: os.environ[name] for name in kept if name in os.environ}
        self.environ |= {"HOME": str(self.person)}

    def command(self, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).with_name("assetmill")), *arguments]

    def call(self, *arguments: str) -> str:
        command = self.command(*arguments)
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def api(self, path: str) -> Any:
        """Ask the project's Prefect as whoever may read its secret."""
        kept = self.folder / ".assetmill" / "prefect"
        port = (kept / "lasting" / "port").read_text()
        basic = base64.b64encode((kept / "auth").read_bytes().strip()).decode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api{path}")
        request.add_header("Authorization", f"Basic {basic}")
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("own"))
    yield made
    made.call("stop")


def test_deploy_tells_how_its_prefect_is_reached(place: Place) -> None:
    told = json.loads(place.call("deploy", "--work-pool", "here", "--json"))
    assert [entry["name"] for entry in told["deployments"]] == ["card/here", "run-shard/here"]
    assert told["prefect"]["api_url"].startswith("http://127.0.0.1:")
    assert place.api("/deployments/name/card/here")["work_pool_name"] == "here"
    assert place.api("/work_pools/here")["type"] == "process"
    again = json.loads(place.call("deploy", "--work-pool", "here", "--json"))
    assert again["prefect"] == told["prefect"]
    assert list(place.person.iterdir()) == []


def test_serve_says_its_address_and_serves_there(place: Place) -> None:
    command = place.command("serve", "card")
    with subprocess.Popen(
        command, cwd=place.folder, env=place.environ, stderr=subprocess.PIPE, text=True
    ) as served:
        try:
            assert served.stderr
            said: list[str] = []
            for line in served.stderr:
                said.append(line)
                if line.startswith("serving card/served"):
                    break
            address = next(line.split()[1] for line in said if line.startswith("Prefect: "))
            port = (place.folder / ".assetmill" / "prefect" / "lasting" / "port").read_text()
            assert address == f"http://127.0.0.1:{port}"
            with urllib.request.urlopen(address, timeout=30) as page:  # noqa: S310 - loopback
                assert b"<html" in page.read()
            assert place.api("/deployments/name/card/served")["entrypoint"] == "flows.deployed.card"
        finally:
            served.send_signal(signal.SIGINT)
            served.communicate(timeout=60)
    assert list(place.person.iterdir()) == []


def tasks_of(place: Place, flow_run_id: str) -> dict[str, str]:
    """Return the states of a flow run's tasks by name, from whichever server of the project has it."""
    found = dict[str, str]()
    for path in (place.folder / ".assetmill" / "prefect").rglob("prefect.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            question = "select name, state_type from task_run where flow_run_id = ?"
            found |= dict(database.execute(question, (flow_run_id,)).fetchall())
    return found


def test_every_task_of_a_run_is_there_with_its_end(place: Place) -> None:
    """States are written in batches: none may be left behind when the run has ended."""
    told = json.loads(place.call("run", "card", "-p", "product=cup", "--json"))
    labels = {stage["label"] for stage in told["stages"]}
    tasks = dict[str, str]()
    for _ in range(100):
        tasks = tasks_of(place, told["flow_run_id"])
        if tasks.keys() > labels and set(tasks.values()) == {"COMPLETED"}:
            return
        time.sleep(0.1)
    raise AssertionError(tasks)
