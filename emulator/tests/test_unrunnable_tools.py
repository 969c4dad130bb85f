"""Every type of tool that the vendor's SDK knows: run, or refused by name when the agent is made."""

from __future__ import annotations

from typing import Any

import pytest
from azure.ai.projects.models import ToolType
from foundry_emulator.responses.toolspecs import TOOL_TYPES
from foundry_emulator.testing.calls import Control, Raw

SETTINGS: dict[str, dict[str, Any]] = {
    "file_search": {"vector_store_ids": ["vs_1"]},
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
    "mcp": {"server_label": "octo", "server_url": "http://127.0.0.1:1/mcp"},
}


def make(raw: Raw, tool: dict[str, Any]) -> Any:
    definition = {"kind": "prompt", "model": "gpt-4.1", "tools": [{"type": "function", "name": "x"}, tool]}
    return raw.call("POST", "agents/maker/versions", {"definition": definition})


@pytest.mark.parametrize("kind", sorted(kind.value for kind in ToolType))
def test_a_tool_runs_or_is_refused_by_name_when_the_agent_is_made(
    kind: str, raw: Raw, control: Control
) -> None:
    del control
    answer = make(raw, {"type": kind, **SETTINGS.get(kind, {})})
    if kind in TOOL_TYPES:
        assert answer.status_code == 200
        return
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "tool_not_emulated")
    assert f"'{kind}'" in error["message"]
    assert raw.call("GET", "agents/maker").status_code == 404


@pytest.mark.parametrize(
    ("tool", "word"),
    [
        ({"type": "mcp", "server_label": "mail", "connector_id": "connector_gmail"}, "connector_id"),
        ({"type": "mcp", "server_label": "mail", "project_connection_id": "mail"}, "project_connection_id"),
        ({"type": "image_generation", "output_format": "svg"}, "svg"),
        ({"type": "image_generation", "output_format": "gif"}, "gif"),
    ],
)
def test_what_a_tool_cannot_do_is_refused_when_the_agent_is_made(
    tool: dict[str, Any], word: str, raw: Raw, control: Control
) -> None:
    del control
    answer = make(raw, tool)
    assert answer.status_code == 400
    assert word in answer.json()["error"]["message"]
