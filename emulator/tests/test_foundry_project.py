"""Agents, deployments and tokens through the vendor's unmodified SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from azure.ai.projects import AIProjectClient
from azure.ai.projects.models import PromptAgentDefinition
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from foundry_emulator.server import Ready
from foundry_emulator.testing.calls import Control, Raw
from openai import NotFoundError, PermissionDeniedError


@pytest.fixture
def project(ready: Ready, control: Control, monkeypatch: pytest.MonkeyPatch) -> Iterator[AIProjectClient]:
    del control
    for name, value in ready.environment().items():
        monkeypatch.setenv(name, value)
    with (
        DefaultAzureCredential() as credential,
        AIProjectClient(endpoint=ready.endpoint, credential=credential) as project,
    ):
        yield project


def prompt(instructions: str = "be brief", **fields: Any) -> PromptAgentDefinition:
    return PromptAgentDefinition(model="gpt-4.1", instructions=instructions, **fields)


def test_versions_count_up_and_come_newest_first(project: AIProjectClient) -> None:
    made = [project.agents.create_version("painter", definition=prompt(str(n))) for n in range(3)]
    assert [version.id for version in made] == ["painter:1", "painter:2", "painter:3"]
    assert [version.version for version in project.agents.list_versions("painter", limit=2)] == [
        "3",
        "2",
        "1",
    ]
    latest = project.agents.get("painter").versions["latest"]
    assert (latest.version, latest.definition["instructions"]) == ("3", "2")
    assert project.agents.get_version("painter", "2").definition["instructions"] == "1"


def test_agents_are_listed_page_by_page_and_the_pager_ends(project: AIProjectClient) -> None:
    for number in range(5):
        project.agents.create_version(f"agent-{number}", definition=prompt())
    names = [agent.name for agent in project.agents.list(limit=2)]
    assert names == [f"agent-{number}" for number in reversed(range(5))]


def test_deleted_agents_and_versions_are_gone(project: AIProjectClient) -> None:
    for _ in range(2):
        project.agents.create_version("painter", definition=prompt())
    assert project.agents.delete_version("painter", "1").deleted
    with pytest.raises(ResourceNotFoundError):
        project.agents.get_version("painter", "1")
    assert project.agents.delete("painter").deleted
    with pytest.raises(ResourceNotFoundError) as caught:
        project.agents.get("painter")
    assert caught.value.model is None or "painter" in str(caught.value)


@pytest.mark.parametrize("name", ["-x", "x-", "a_b", "a" * 64, "ä"])
def test_bad_agent_names_are_refused(project: AIProjectClient, name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        project.agents.create_version(name, definition=prompt())
    assert caught.value.status_code == 400


def test_an_agent_answers_at_the_project_and_at_its_own_address(project: AIProjectClient) -> None:
    project.agents.create_version("echo", definition=prompt("first"))
    project.agents.create_version("echo", definition=prompt("second"))
    with project.get_openai_client() as plain, project.get_openai_client(agent_name="echo") as own:
        pinned = {"agent_reference": {"type": "agent_reference", "name": "echo", "version": "1"}}
        latest = {"agent_reference": {"type": "agent_reference", "name": "echo"}}
        assert plain.responses.create(input="say:x", extra_body=pinned).instructions == "first"
        assert plain.responses.create(input="say:x", extra_body=latest).instructions == "second"
        assert own.responses.create(input="say:x").instructions == "second"
        conversation = own.conversations.create()
        assert own.responses.create(input="say:x", conversation=conversation.id).output_text == "x"


def test_the_endpoint_of_an_agent_chooses_the_version(project: AIProjectClient, raw: Raw) -> None:
    for text in ("first", "second"):
        project.agents.create_version("echo", definition=prompt(text))
    rule = {"type": "FixedRatio", "agent_version": "1", "traffic_percentage": 100}
    endpoint = {"version_selector": {"version_selection_rules": [rule]}}
    changed = raw.ok(
        "PATCH",
        "agents/echo",
        {"agent_endpoint": endpoint},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert changed["agent_endpoint"]["protocols"] == ["responses"]
    with project.get_openai_client(agent_name="echo") as own:
        assert own.responses.create(input="say:x").instructions == "first"


def test_changes_to_an_endpoint_are_merged_into_it(project: AIProjectClient, raw: Raw) -> None:
    project.agents.create_version("echo", definition=prompt("x"))
    rule = {"type": "FixedRatio", "agent_version": "1", "traffic_percentage": 100}

    def patched(endpoint: object) -> Any:
        return raw.ok("PATCH", "agents/echo", {"agent_endpoint": endpoint})["agent_endpoint"]

    first = patched({"version_selector": {"version_selection_rules": [rule]}})
    second = patched({"protocol_configuration": {"activity": {"a": 1}}})
    assert second == {**first, "protocol_configuration": {"responses": {}, "activity": {"a": 1}}}
    assert patched({"protocol_configuration": {"activity": None}, "protocols": ["activity"]}) == {
        **first,
        "protocols": ["activity"],
    }
    assert patched(None) is None


def test_a_disabled_agent_does_not_answer_until_it_is_enabled(project: AIProjectClient) -> None:
    project.agents.create_version("echo", definition=prompt())
    reference: Any = {"agent_reference": {"type": "agent_reference", "name": "echo"}}
    with project.get_openai_client() as client:
        project.agents.disable("echo")
        with pytest.raises(PermissionDeniedError):
            client.responses.create(input="say:x", extra_body=reference)
        project.agents.enable("echo")
        assert client.responses.create(input="say:x", extra_body=reference).output_text == "x"
        reference["agent_reference"]["version"] = "9"
        with pytest.raises(NotFoundError):
            client.responses.create(input="say:x", extra_body=reference)


def test_structured_inputs_fill_instructions_and_tools(project: AIProjectClient, raw: Raw) -> None:
    file_id = raw.upload("data.csv", b"1,2")
    inputs: Any = {
        "topic": {"description": "what", "required": True, "schema": {"type": "string"}},
        "file": {
            "description": "which",
            "required": False,
            "default_value": "",
            "schema": {"type": "string"},
        },
    }
    tools: Any = [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["{{file}}"]}}]
    definition = prompt("about {{topic}}", structured_inputs=inputs, tools=tools)
    project.agents.create_version("echo", definition=definition)
    reference: Any = {"agent_reference": {"type": "agent_reference", "name": "echo"}}
    with project.get_openai_client() as client:
        values = {"topic": "tea", "file": file_id}
        body = {**reference, "structured_inputs": values}
        response = client.responses.create(input="code", extra_body=body)
        assert response.instructions == "about tea"
        container_id = response.output[0].to_dict()["container_id"]
        paths = [file.path for file in client.containers.files.list(str(container_id))]
        assert f"/mnt/data/{file_id}-data.csv" in paths
        only_topic = client.responses.create(
            input="say:x", extra_body={**reference, "structured_inputs": {"topic": "x"}}
        )
        assert only_topic.status == "completed"
        with pytest.raises(Exception, match="topic"):
            client.responses.create(input="say:x", extra_body=reference)


def test_workflow_agents_need_the_preview_feature(project: AIProjectClient) -> None:
    from azure.ai.projects.models import WorkflowAgentDefinition

    with pytest.raises(HttpResponseError) as caught:
        project.agents.create_version("flow", definition=WorkflowAgentDefinition(workflow="kind: workflow"))
    assert caught.value.status_code == 403
    assert "preview" in str(caught.value).lower()


def test_deployments_are_found_by_publisher_and_model(project: AIProjectClient) -> None:
    names = [one.name for one in project.deployments.list(model_publisher="OpenAI")]
    assert {"gpt-4.1", "gpt-image-1.5", "gpt-image-2"} <= set(names)
    assert [one.name for one in project.deployments.list(model_name="gpt-4o")] == ["gpt-4o"]
    assert not list(project.deployments.list(model_publisher="Nobody"))
    assert project.deployments.get("gpt-4.1").name == "gpt-4.1"
    with pytest.raises(ResourceNotFoundError):
        project.deployments.get("nope")
    assert not list(project.connections.list())


def test_tokens_are_issued_only_to_holders_of_the_identity_header(ready: Ready, http: httpx2.Client) -> None:
    params = {"resource": "https://ai.azure.com", "api-version": "2019-08-01"}
    assert http.get(ready.identity_endpoint, params=params).status_code == 401
    headers = {"X-IDENTITY-HEADER": "wrong"}
    assert http.get(ready.identity_endpoint, params=params, headers=headers).status_code == 401


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic abc", "Bearer"])
def test_without_the_token_everything_is_401(
    ready: Ready, http: httpx2.Client, control: Control, header: str | None
) -> None:
    del control
    headers = {"Authorization": header} if header else {}
    for path in ("agents", "openai/v1/files", "openai/v1/nonsense", "nonsense"):
        answer = http.get(f"{ready.endpoint}/{path}", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Unauthorized")
    assert http.get(f"{ready.control}/bill", headers=headers).status_code == 401


def test_the_service_token_does_not_open_the_control_api(
    ready: Ready, http: httpx2.Client, token: str
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    assert http.get(f"{ready.control}/bill", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "127.0.0.1.evil.com",
        "0.0.0.0",  # noqa: S104
        "localhost.evil.com:80",
        "",
        "evil.com@127.0.0.1",
        "[::1].x",
    ],
)
def test_foreign_host_names_are_refused(raw: Raw, host: str) -> None:
    answer = raw.call("GET", "agents", headers={"Host": host})
    assert answer.status_code == 400


def test_browsers_are_refused_and_forms_are_no_json(raw: Raw) -> None:
    assert raw.call("GET", "agents", headers={"Origin": "https://evil.com"}).status_code == 403
    form = raw.call("POST", "openai/v1/conversations", content=b"{}", headers={"Content-Type": "text/plain"})
    assert form.status_code == 415
    assert not [name for name in form.headers if name.startswith("access-control")]


def test_what_is_not_there_is_refused_by_name(raw: Raw) -> None:
    for path, method in (
        ("evaluations/runs", "GET"),
        ("openai/v1/batches", "POST"),
        ("openai/v1/evals", "GET"),
    ):
        answer = raw.call(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "operation_not_emulated")
        assert path in answer.json()["error"]["message"]
    assert raw.call("PUT", "openai/v1/files").status_code == 405
    tools = [{"type": "web_search"}]
    refused = raw.call("POST", "openai/v1/responses", {"model": "gpt-4.1", "input": "x", "tools": tools})
    assert refused.json()["error"]["code"] == "tool_not_emulated"
