"""The tools in process: what they refuse, how they are marked, what they answer without spending."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from assetmill.serving_agents import spending_tools, standing
from assetmill.serving_agents.server import make_server
from assetmill.settings import load_settings
from tests.assetmill.serving_agents.agent_bench import Agent, lay_out, talk

pytestmark = pytest.mark.timeout(60)
SPENDING = {"run", "batch", "edit", "update"}
READING = {
    "list_pipelines", "describe", "plan", "assets", "look", "why", "lineage", "check", "spend", "review_link",
    "status",
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would have been begun: nothing is."""
    calls: list[tuple[Any, ...]] = []

    def ask(*arguments: Any) -> dict[str, Any]:
        calls.append(arguments[:4])
        return {"call_id": "call_1", "status": "running"}

    monkeypatch.setattr(standing, "ask", ask)
    return calls


def server_of(folder: Path, monkeypatch: pytest.MonkeyPatch, profile: str = "") -> Any:
    monkeypatch.chdir(lay_out(folder, profile))
    return make_server(load_settings("mine"))


def test_tools_that_spend_are_marked_and_want_a_key_and_a_ceiling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def conversation(agent: Agent) -> None:
        tools = {tool.name: tool for tool in (await agent.client.list_tools()).tools}
        assert set(tools) == SPENDING | READING
        for name, tool in tools.items():
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint == (name in READING)
            assert bool((tool.meta or {}).get("assetmill/spends")) == (name in SPENDING)
            required = set(tool.input_schema.get("required", ()))
            assert ({"key", "budget_usd"} <= required) == (name in SPENDING)
            assert "consent" not in tool.input_schema["properties"]

    talk(server_of(tmp_path, monkeypatch), conversation)


@pytest.mark.parametrize("given", [{}, {"budget_usd": None}, {"budget_usd": 0}, {"budget_usd": "much"}])
def test_without_a_ceiling_nothing_is_begun_and_it_is_said_what_to_write(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Any]
) -> None:
    arguments = {"pipeline": "card", "rows": "r.csv", "asset": "a", "instruction": "dusk", "key": "k"}

    async def conversation(agent: Agent) -> None:
        for tool in sorted(SPENDING):
            said = await agent.refusal(tool, **arguments, **given)
            assert said.startswith(f"`{tool}` spends money and is begun only under a ceiling")
            assert "give budget_usd, the most that this call may spend in US dollars" in said
            assert all(json.dumps(value) in said for value in given.values())
            assert "nothing spent" in said
            assert "pydantic" not in said

    talk(server_of(tmp_path, monkeypatch), conversation)
    assert asked == []


def test_arguments_that_no_tool_takes_are_refused_in_our_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Any]
) -> None:
    async def conversation(agent: Agent) -> None:
        assert "`run` cannot do without key (string: Your own name for this call), pipeline (string)." in (
            await agent.refusal("run", budget_usd=0.1)
        )
        said = await agent.refusal("plan", pipeline=["card"], parameters="red")
        assert 'pipeline of `plan` is ["card"]: ' in said
        assert "Give parameters (object: The pipeline's parameters by name)." in said
        assert "n of `edit` is 9: " in (
            await agent.refusal("edit", key="k", budget_usd=0.1, asset="a", instruction="dusk", n=9)
        )
        assert "`look` cannot do without asset (string: An asset ID" in await agent.refusal("look")

    talk(server_of(tmp_path, monkeypatch), conversation)
    assert asked == []


def test_a_profile_may_forbid_spending_by_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Any]
) -> None:
    async def conversation(agent: Agent) -> None:
        said = await agent.refusal("run", pipeline="card", key="k", budget_usd=0.1)
        assert "forbids spending by coding agents" in said
        await agent.document("plan", pipeline="card")

    talk(server_of(tmp_path, monkeypatch, '[coding_agents]\nspend = "forbid"'), conversation)
    assert asked == []


def test_a_profile_may_bound_what_an_agent_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Any]
) -> None:
    async def conversation(agent: Agent) -> None:
        assert "above the $0.50" in await agent.refusal("run", pipeline="card", key="k", budget_usd=0.51)
        await agent.document("run", pipeline="card", key="k", budget_usd=0.5)

    talk(server_of(tmp_path, monkeypatch, "[coding_agents]\nmost_usd = 0.5"), conversation)
    assert asked == [("k", "run", {"pipeline": "card"}, 0.5)]


@pytest.mark.parametrize(("consents", "begun"), [(True, 1), (False, 0), (None, 0)])
def test_a_person_is_asked_where_the_profile_says_so(
    consents: bool | None, begun: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Any]
) -> None:
    async def conversation(agent: Agent) -> None:
        answer = await agent.call("run", pipeline="card", key="k", budget_usd=0.1)
        assert answer.is_error == (not begun)

    server = server_of(tmp_path, monkeypatch, '[coding_agents]\nspend = "ask"')
    talk(server, conversation, consents=consents)
    assert len(asked) == begun


def test_errors_are_in_the_words_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def conversation(agent: Agent) -> None:
        assert "no pipeline 'crad'" in await agent.refusal("plan", pipeline="crad")
        assert "no call 'call_1'" in await agent.refusal("status", call_id="call_1")
        assert "RUN/STAGE/NAME" in await agent.refusal("look", asset="ast_1")
        assert "no pipeline '--help'" in await agent.refusal("plan", pipeline="--help")
        assert "there are: card" in await agent.refusal("describe", pipeline="crad")

    talk(server_of(tmp_path, monkeypatch), conversation)


def test_every_look_up_says_that_it_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def conversation(agent: Agent) -> None:
        described = await agent.document("describe", pipeline="card")
        assert described["parameters"]["subject"]["default"] == "a red mug"
        planned = await agent.document("plan", pipeline="card", parameters={"subject": "a blue boat"})
        assert planned["cost_usd"]["expected"] > 0
        answers = [
            described,
            planned,
            *[await agent.document(tool) for tool in ("list_pipelines", "spend", "assets")],
        ]
        assert [answer["cost"] for answer in answers] == [{"spent_usd": 0.0}] * 5

    talk(server_of(tmp_path, monkeypatch), conversation)


def test_a_call_that_was_begun_by_nobody_is_lost_and_never_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server died between the record of the call and the start of its carrier."""

    def start_nothing(*_: object) -> bool:
        return False

    monkeypatch.setattr("assetmill.serving_agents.carrier.start", start_nothing)

    async def conversation(agent: Agent) -> None:
        told = await agent.document("run", pipeline="card", key="k", budget_usd=0.1)
        assert "is lost" in await agent.refusal("status", call_id=told["call_id"])

    talk(server_of(tmp_path, monkeypatch), conversation)


def test_resources_are_the_schema_the_last_run_and_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def conversation(agent: Agent) -> None:
        found = {str(resource.uri) for resource in (await agent.client.list_resources()).resources}
        assert {"assetmill://schema", "assetmill://runs/latest", "assetmill://docs/agents"} <= found
        (schema,) = (await agent.client.read_resource("assetmill://schema")).contents
        assert "json-schema.org" in getattr(schema, "text", "")

    talk(server_of(tmp_path, monkeypatch), conversation)


def test_the_page_names_every_tool_and_its_settings_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "agents.md").read_text()
    rows = [line.split("|")[1:4] for line in page.splitlines() if line.startswith("| `")]
    named = {name: "yes" in spends for names, _, spends in rows for name in re.findall(r"`(\w+)`", names)}
    assert named == {name: name in SPENDING for name in SPENDING | READING}
    for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL):
        ((_, servers),) = json.loads(block).items()
        assert servers["assetmill"]["command"] == "assetmill"
        assert servers["assetmill"]["args"] == ["mcp"]
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(lay_out(tmp_path, example))
    assert load_settings("mine").coding_agents.model_dump() == {"spend": "ask", "most_usd": 2.0}


def test_stages_are_counted_from_what_a_run_says() -> None:
    lines = ["card: 3 stages, 2 to run, about $0.1", "a   reused", "b    started", "b     done    2 s"]
    assert spending_tools.progress_in(lines) == (2, 3.0)
