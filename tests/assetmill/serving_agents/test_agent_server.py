"""`assetmill mcp` as a host meets it: real processes, a killed server, one bill."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from assetmill.serving_agents.book import call_id_of
from assetmill.serving_agents.pictures import MOST_BYTES
from tests.assetmill.serving_agents.agent_bench import Agent, environment, lay_out, program, talk, words

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = lay_out(tmp_path_factory.mktemp("agents"))
    yield folder
    assetmill(folder, "stop")


def assetmill(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "assetmill.cli.main", *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def pictures_paid(folder: Path) -> int:
    if not (folder / ".assetmill" / "emulator" / "emulator.sqlite3").exists():
        return 0
    charges = json.loads(assetmill(folder, "emulator", "bill", "--json"))["charges"]
    return len([charge for charge in charges if charge["kind"] == "image"])


def begun(folder: Path, key: str) -> dict[str, Any] | None:
    """Read the record of a call's newest attempt, as it lies in the store."""
    found = sorted((folder / ".assetmill/store/v1/v" / call_id_of(key)).glob("begun.*"))
    return json.loads(found[-1].read_bytes()) if found else None


def test_a_killed_server_and_the_same_call_again_are_one_bill(project: Path) -> None:
    """What a coding agent does in a sitting in which its server dies: plan, run, again, look, edit, spend."""
    order = {"pipeline": "card", "key": "first", "parameters": {"subject": "a teal bottle"}}
    begun_as: list[str] = []

    async def first(agent: Agent) -> None:
        planned = await agent.document("plan", pipeline="card", parameters=order["parameters"])
        assert planned["cost_usd"]["expected"] > 0
        assert "budget_usd" in await agent.refusal("run", **order)
        told = await agent.document("run", budget_usd=0.1, **order)
        assert told["status"] == "running"
        begun_as.extend((told["call_id"], told["run_id"]))
        os.kill(int((project / "server.pid").read_text()), signal.SIGKILL)

    talk(program(project), first)
    with pytest.raises(ProcessLookupError):
        os.kill(int((project / "server.pid").read_text()), 0)

    async def second(agent: Agent) -> None:
        told = await agent.document("run", budget_usd=0.1, **order)
        assert [told["call_id"], told["run_id"]] == begun_as
        ended = await agent.document("status", call_id=told["run_id"], wait_s=200)
        assert (ended["status"], ended["result"]["status"]) == ("completed", "completed")
        assert 0 < ended["cost"]["spent_usd"] <= ended["cost"]["ceiling_usd"]
        assert ended["run_id"] == ended["result"]["run_id"] == begun_as[1]
        assert agent.progress[-1][:2] == (1.0, 1.0)
        again = await agent.document("run", budget_usd=0.1, **order)
        assert (again["status"], again["run_id"]) == ("completed", ended["run_id"])
        assert "another call" in await agent.refusal("run", budget_usd=0.2, **order)
        shown = await agent.call("look", asset="latest/pic/pic.png", longest_px=1024)
        (image,) = [part for part in shown.content if part.type == "image"]
        assert base64.b64decode(image.data).startswith(b"\xff\xd8")
        assert pictures_paid(project) == 1
        edit = {"asset": "latest/pic/pic.png", "instruction": "make it dusk", "key": "edit"}
        edited = await agent.document("edit", budget_usd=0.2, **edit)
        after = await agent.document("status", call_id=edited["call_id"], wait_s=200)
        assert (after["status"], pictures_paid(project)) == ("completed", 2)
        assert after["result"]["run_id"] == edited["run_id"]
        assert (await agent.document("edit", budget_usd=0.2, **edit))["status"] == "completed"
        spent = await agent.document("spend", by="pipeline")
        assert spent["total_usd"] == pytest.approx(
            ended["cost"]["spent_usd"] + after["cost"]["spent_usd"], abs=1e-6
        )
        assert "first time" in (await agent.document("why", run=ended["run_id"], stage="pic"))["reason"]
        assert 0 < agent.longest_base64 <= MOST_BYTES * 4 / 3 + 4
        answered = [json.loads(words(answer)) for _, _, answer in agent.transcript if not answer.is_error]
        assert all("spent_usd" in answer["cost"] for answer in answered)

    talk(program(project), second)
    assert pictures_paid(project) == 2


def test_a_call_whose_processes_were_all_killed_is_lost_until_it_is_asked_again(project: Path) -> None:
    before = pictures_paid(project)
    order = {"pipeline": "card", "key": "lost", "budget_usd": 0.1, "parameters": {"subject": "a green tree"}}

    async def conversation(agent: Agent) -> None:
        told = await agent.document("run", **order)
        while (attempt := begun(project, "lost")) is None:
            await agent.document("status", call_id=told["call_id"], wait_s=0.2)
        os.killpg(int(attempt["pid"]), signal.SIGKILL)
        deadline = time.monotonic() + 60
        while not (answer := await agent.call("status", call_id=told["call_id"])).is_error:
            assert time.monotonic() < deadline, answer
        assert "is lost" in await agent.refusal("status", call_id=told["call_id"])
        again = await agent.document("run", **order)
        assert (again["call_id"], again["run_id"]) == (told["call_id"], told["run_id"])
        assert (await agent.document("status", call_id=told["run_id"]))["run_id"] == told["run_id"]
        ended = await agent.document("status", call_id=told["call_id"], wait_s=200)
        assert (ended["status"], ended["result"]["run_id"]) == ("completed", told["run_id"])
        shown = json.loads(assetmill(project, "show", told["run_id"], "--json"))
        assert shown["status"] == "completed"
        assert shown["spent_usd"] == pytest.approx(ended["cost"]["spent_usd"], abs=1e-6)
        assert ended["cost"]["spent_usd"] <= 0.1

    talk(program(project), conversation)
    assert pictures_paid(project) == before + 1


def test_update_makes_what_is_stale_in_the_lock_and_says_what_it_cost(project: Path) -> None:
    pipeline = project / "configs" / "pipelines" / "card.yaml"
    as_it_was = pipeline.read_text()
    # Made by the first test already: then only the lock is new.
    assetmill(project, "update", "card", "-p", "subject=a teal bottle", "--budget", "0.1")
    before, order = pictures_paid(project), {"key": "update", "budget_usd": 0.1}
    pipeline.write_text(as_it_was.replace("prompt: Draw", "prompt: Paint"))

    async def conversation(agent: Agent) -> None:
        told = await agent.document("update", **order)
        assert (told["status"], told["run_id"]) == ("running", None)
        done = await agent.document("status", call_id=told["call_id"], wait_s=200)
        (folder,) = done["result"]["folders"]
        assert (done["status"], folder["status"]) == ("completed", "updated")
        assert 0 < done["cost"]["spent_usd"] <= 0.1
        assert done["cost"]["spent_usd"] == pytest.approx(folder["spent_usd"], abs=1e-6)
        again = await agent.document("update", **order)
        assert (again["status"], again["cost"]) == ("completed", done["cost"])
        assert (await agent.document("check"))["cost"] == {"spent_usd": 0.0}

    talk(program(project), conversation)
    pipeline.write_text(as_it_was)
    assert pictures_paid(project) == before + 1


def test_a_ceiling_stops_the_call_and_says_so(project: Path) -> None:
    before = pictures_paid(project)
    order = {"pipeline": "card", "key": "poor", "budget_usd": 0.0001, "parameters": {"subject": "a cat"}}

    async def conversation(agent: Agent) -> None:
        told = await agent.document("run", **order)
        ended = await agent.document("status", call_id=told["call_id"], wait_s=200)
        assert ended["status"] == "failed"
        assert "ceiling" in ended["error"]
        assert ended["cost"]["spent_usd"] == 0

    talk(program(project), conversation)
    assert pictures_paid(project) == before


def test_the_lines_for_each_host_start_a_server(project: Path) -> None:
    """As the hosts read them: the command from the path, in the folder that is open."""
    page = (Path(__file__).parents[3] / "docs" / "agents.md").read_text()
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    assert [next(iter(block)) for block in blocks] == ["mcpServers", "servers", "context_servers"]
    entries = [servers["assetmill"] for block in blocks for servers in block.values()]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    lines = {
        (
            entry["command"],
            *entry["args"],
            entry.get("cwd", "${workspaceFolder}").replace("${workspaceFolder}", str(project)),
        )
        for entry in entries
    }

    async def conversation(agent: Agent) -> None:
        assert {"plan", "run"} <= {tool.name for tool in (await agent.client.list_tools()).tools}
        assert (await agent.document("list_pipelines"))["pipelines"][0]["name"] == "card"

    for command, *arguments, cwd in lines:
        server = StdioServerParameters(
            command=command, args=arguments, cwd=cwd, env={**environment(), "PATH": path}
        )
        talk(server, conversation)


@pytest.fixture
def address(project: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "assetmill.cli.main", "mcp", "--http"]
    with subprocess.Popen(
        command, cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


def test_over_http_only_who_knows_the_token_and_no_page_gets_through(project: Path, address: str) -> None:
    async def conversation(agent: Agent) -> None:
        assert (await agent.document("list_pipelines"))["pipelines"][0]["name"] == "card"

    token = (project / ".assetmill" / "mcp" / "auth").read_text().strip().partition(":")[2]
    known = {"Authorization": f"Bearer {token}"}

    async def hold() -> None:
        async with (
            httpx2.AsyncClient(headers=known, trust_env=False, timeout=60) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            await conversation(Agent(client))

    asyncio.run(hold())
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with httpx2.Client(trust_env=False) as plain:
        accept = {"Accept": "application/json, text/event-stream"}
        refused = [
            plain.post(address, json=ask, headers={**accept, **more}).status_code
            for more in (
                {},
                {"Authorization": "Bearer wrong"},
                {**known, "Origin": "https://evil.example"},
                {**known, "Host": "evil.example"},
            )
        ]
    assert refused == [401, 401, 403, 403]
