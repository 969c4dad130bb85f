"""Carries out MCP steps: listing a server's tools once, asking for approval, calling."""

from __future__ import annotations

import json
from typing import Any, cast

from foundry_emulator.jsons import Json
from foundry_emulator.mcp.client import McpClient, McpProblem
from foundry_emulator.responses.output import Output
from foundry_emulator.steps import CallMcp, McpAnswer, McpTools


class McpCalls:
    """The MCP tools of one response."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def _tool(self, server_label: str) -> Json:
        tools = self._output.admitted.tools
        return next(t for t in tools if t["type"] == "mcp" and t["server_label"] == server_label)

    def _client(self, server_label: str) -> McpClient:
        tool = self._tool(server_label)
        headers = dict(tool["headers"] or {})
        if tool["authorization"]:
            headers["Authorization"] = f"Bearer {tool['authorization']}"
        project = self._output.project
        url = str(tool["server_url"] or "")
        return McpClient(project.settings.mcp_routes.get(url, url), headers, project.mcp_hosts)

    def list_tools(self, server_label: str) -> McpTools:
        """List a server's tools; a list that the history holds already is used again without an item."""
        for item in self._output.admitted.history:
            if (
                item["type"] == "mcp_list_tools"
                and item["server_label"] == server_label
                and not item["error"]
            ):
                return McpTools(item["tools"])
        item = self._output.new_item("mcp_list_tools", server_label=server_label, tools=[], error=None)
        events = self._output.open(item)
        try:
            listed = self._client(server_label).list_tools()
        except McpProblem as problem:
            item["error"] = str(problem)
            self._output.close(events)
            return McpTools((), str(problem))
        item["tools"] = [_shown(tool) for tool in listed if self._is_allowed(server_label, tool)]
        self._output.close(events)
        return McpTools(item["tools"])

    def _is_allowed(self, server_label: str, tool: Json) -> bool:
        allowed: Any = self._tool(server_label)["allowed_tools"]
        names = cast(Json, allowed).get("tool_names") if isinstance(allowed, dict) else allowed
        return names is None or tool.get("name") in names

    def call(self, step: CallMcp) -> McpAnswer:
        """Call a tool, or ask for approval where the policy wants it and the history has none."""
        arguments = json.dumps(dict(step.arguments))
        approval = self._approval(step)
        if approval is None and self._wants_approval(step):
            request = self._output.new_item(
                "mcp_approval_request",
                server_label=step.server_label,
                name=step.name,
                arguments=arguments,
            )
            self._output.add(request)
            return McpAnswer(None, awaiting_approval=True)
        if approval is not None and not approval["approve"]:
            return McpAnswer(None, error="The user did not approve this call.")
        item = self._output.new_item(
            "mcp_call",
            status="completed",
            server_label=step.server_label,
            name=step.name,
            arguments=arguments,
            approval_request_id=approval["approval_request_id"] if approval else None,
            output=None,
            error=None,
        )
        events = self._output.open(item)
        answer = self._answer(step, item)
        self._output.close(events)
        return answer

    def _answer(self, step: CallMcp, item: Json) -> McpAnswer:
        try:
            text, is_error = self._client(step.server_label).call(step.name, dict(step.arguments))
        except McpProblem as problem:
            item.update(status="failed", error=problem.as_json())
            return McpAnswer(None, str(problem))
        if is_error:
            content = [{"type": "text", "text": text}]
            item.update(status="failed", error={"type": "mcp_tool_execution_error", "content": content})
            return McpAnswer(None, text)
        item["output"] = text
        return McpAnswer(text)

    def _wants_approval(self, step: CallMcp) -> bool:
        policy: Any = self._tool(step.server_label)["require_approval"]
        if isinstance(policy, str):
            return policy == "always"
        never: Json = policy.get("never") or {}
        always: Json = policy.get("always") or {}
        if step.name in (never.get("tool_names") or ()):
            return False
        return not always or step.name in (always.get("tool_names") or ())

    def _approval(self, step: CallMcp) -> Json | None:
        """Return the caller's answer to the newest request for this tool that no call has used yet."""
        items = [*self._output.admitted.history, *self._output.admitted.inputs]
        requests = {
            item["id"]
            for item in items
            if item["type"] == "mcp_approval_request"
            and (item["server_label"], item["name"]) == (step.server_label, step.name)
        }
        used = {
            item.get("approval_request_id")
            for item in [*items, *self._output.items]
            if item["type"] == "mcp_call"
        }
        answers = [
            item
            for item in items
            if item["type"] == "mcp_approval_response"
            and item["approval_request_id"] in requests
            and item["approval_request_id"] not in used
        ]
        return answers[-1] if answers else None


def _shown(tool: Json) -> Json:
    return {
        "name": str(tool.get("name", "")),
        "description": tool.get("description"),
        "input_schema": tool.get("inputSchema") or {"type": "object"},
        "annotations": tool.get("annotations"),
    }
