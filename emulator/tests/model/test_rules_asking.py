"""MCP servers and computers: what the rules ask of the caller, turn by turn."""

from __future__ import annotations

import json
from typing import Any

from foundry_emulator.steps import CallMcp, ListMcpTools, McpAnswer, McpTools, UseComputer
from staging import Stage, Talk, tool, turn, user

SERVER = tool(
    "mcp", server_label="api-specs", server_url="https://example.com/mcp", require_approval="always"
)
TOOLS: list[dict[str, Any]] = [
    {
        "name": "fetch_readme",
        "description": "Fetch the Readme of the repository",
        "input_schema": {"type": "object", "properties": {}},
    },
    {
        "name": "search_code",
        "description": "Search for code",
        "input_schema": {
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
        },
    },
]
COMPUTER = tool("computer_use_preview", display_width=1026, display_height=769, environment="windows")
SEARCH = (
    "I need you to help me search for 'OpenAI news'. Please type 'OpenAI news' and submit the search. "
    "Once you see search results, the task is complete."
)


def test_tools_are_listed_once_and_the_fitting_one_is_called() -> None:
    stage = Stage(mcp_tools=McpTools(TOOLS), mcp_answer=McpAnswer("Azure REST API specifications"))
    played = stage.play(turn("Please summarize the Azure REST API specifications Readme", SERVER))
    assert played.steps[:2] == [ListMcpTools("api-specs"), CallMcp("api-specs", "fetch_readme", {})]
    assert "Azure REST API specifications" in played.said.text
    listed = {"type": "mcp_list_tools", "server_label": "api-specs", "tools": TOOLS, "error": None}
    text = "Search the code for 'retry'"
    again = stage.play(turn(text, SERVER, history=[listed, user(text)]))
    assert again.steps[0] == CallMcp("api-specs", "search_code", {"query": "retry"})


def test_a_call_that_waits_for_approval_ends_the_response() -> None:
    stage = Stage(mcp_tools=McpTools(TOOLS), mcp_answer=McpAnswer(None, awaiting_approval=True))
    played = stage.play(turn("Summarize the Readme", SERVER))
    assert isinstance(played.steps[-1], CallMcp)


def approval(*, approve: bool) -> list[dict[str, Any]]:
    request = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "api-specs",
        "name": "search_code",
        "arguments": json.dumps({"query": "retry"}),
    }
    return [request, {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": approve}]


def test_an_approved_call_is_made_as_it_was_asked_for() -> None:
    talk = Talk(Stage(mcp_answer=McpAnswer("found")), SERVER)
    talk.history.append(user("Search the code"))
    played = talk.send(*approval(approve=True))
    assert played.steps[0] == CallMcp("api-specs", "search_code", {"query": "retry"})
    assert "found" in played.said.text


def test_a_refused_call_is_not_made() -> None:
    talk = Talk(Stage(), SERVER)
    talk.history.append(user("Search the code"))
    played = talk.send(*approval(approve=False))
    assert played.of(CallMcp) == []
    assert "not approved" in played.said.text


def test_an_approval_of_nothing_calls_nothing() -> None:
    talk = Talk(Stage(), SERVER)
    talk.history.append(user("Search the code"))
    played = talk.send({"type": "mcp_approval_response", "approval_request_id": "mcpr_9", "approve": True})
    assert played.of(CallMcp) == []


def test_errors_of_the_server_are_said() -> None:
    for stage in (
        Stage(mcp_tools=McpTools([], "no route")),
        Stage(mcp_tools=McpTools(TOOLS), mcp_answer=McpAnswer(None, "no route")),
    ):
        assert "no route" in stage.play(turn("Summarize the Readme", SERVER)).said.text


def screenshot(number: int) -> list[dict[str, Any]]:
    output = {"type": "computer_screenshot", "image_url": "data:image/png;base64,AA=="}
    return [
        {"type": "computer_call", "call_id": f"call_{number}"},
        {"type": "computer_call_output", "call_id": f"call_{number}", "output": output},
    ]


def test_a_search_is_clicked_typed_submitted_and_ended() -> None:
    talk = Talk(Stage(), COMPUTER)
    talk.history.append(user(SEARCH, "data:image/png;base64,AA=="))
    actions: list[Any] = []
    played = talk.send()
    for number in range(10):
        if not played.of(UseComputer):
            break
        (step,) = played.of(UseComputer)
        actions.append(step.action)
        played = talk.send(*screenshot(number))
    assert [action["type"] for action in actions] == ["click", "type", "keypress", "screenshot"]
    assert actions[1:3] == [{"type": "type", "text": "OpenAI news"}, {"type": "keypress", "keys": ["ENTER"]}]
    assert "OpenAI news" in played.said.text


def test_without_a_screenshot_one_is_taken_first() -> None:
    (step,) = Stage().play(turn(SEARCH, COMPUTER)).of(UseComputer)
    assert step.action == {"type": "screenshot"}


def test_a_plain_question_uses_no_computer() -> None:
    played = Stage().play(turn("What is the capital of France?", COMPUTER))
    assert "Paris" in played.said.text
