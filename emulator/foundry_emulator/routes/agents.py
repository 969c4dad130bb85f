"""Agents, their versions and the choice between them."""

from __future__ import annotations

import uuid

from foundry_emulator.agents import checked_name, need_agent, need_version, versions_of
from foundry_emulator.boundary.errors import WireError, invalid
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.boundary.merging import merged
from foundry_emulator.jsons import Json
from foundry_emulator.project import Project
from foundry_emulator.responses import toolspecs
from foundry_emulator.routes.endpoint import Call, Operation, Reply
from foundry_emulator.routes.paging import page

_ENDPOINT_DEFAULTS: Json = {
    "protocols": ["responses"],
    "protocol_configuration": {"responses": {}},
    "authorization_schemes": [{"type": "Entra", "isolation_key_source": {"kind": "Entra"}}],
}

_KINDS = ("prompt", "workflow", "hosted", "external", "voice")
_DEFINITION_LIMIT = 1_000_000


def _shown_agent(project: Project, body: Json) -> Json:
    versions = versions_of(project.state, body["name"])
    latest = _shown_version(project, versions[-1].body) if versions else None
    shown: Json = {
        "object": "agent",
        "id": body["name"],
        "name": body["name"],
        "versions": {"latest": latest},
    }
    if _has_identity(project):
        shown |= {"state": body["state"], "agent_endpoint": body["agent_endpoint"]}
    return shown


def _has_identity(project: Project) -> bool:
    """Say whether agents have a state, an endpoint and an identity: they came between two dated flavours."""
    dialect = project.settings.dialect
    return dialect.is_newest or not dialect.is_azure


def _shown_version(project: Project, version: Json) -> Json:
    if not project.settings.dialect.tells_agent_status:
        return {key: value for key, value in version.items() if key != "status"}
    if not _has_identity(project):
        return version
    digest = uuid.uuid5(uuid.NAMESPACE_URL, version["name"])
    identity = {"principal_id": str(digest), "client_id": str(digest)}
    return {
        **version,
        "instance_identity": identity,
        "blueprint": dict(identity),
        "blueprint_reference": {"type": "ManagedAgentIdentityBlueprint", "blueprint_id": version["name"]},
        "agent_guid": str(digest),
    }


def _listed(data: list[Json], *, has_more: bool) -> Json:
    # The vendor's pager goes on until a page comes without `last_id`: an empty page must not have one.
    ends: Json = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    return {"object": "list", "data": data, **ends, "has_more": has_more}


def _checked_definition(call: Call, definition: Fields) -> Json:
    kind = definition.choice("kind", _KINDS)
    if kind is None:
        raise invalid("Missing required parameter: 'definition.kind'.", "definition.kind")
    if kind == "workflow" and "WorkflowAgents" not in call.request.headers.get("foundry-features", ""):
        message = (
            "Workflow agents is in preview. This operation requires the following opt-in preview feature(s): "
            "WorkflowAgents=V1Preview. Include the 'Foundry-Features: WorkflowAgents=V1Preview' header in "
            "your request."
        )
        raise WireError(403, "preview_feature_required", message)
    if kind == "prompt":
        definition.need_text("model")
        definition.text("instructions")
        definition.number("temperature", 0, 2)
        definition.number("top_p", 0, 1)
        tools = definition.objects("tools") or []
        if len(tools) > toolspecs.TOOL_LIMIT:
            message = f"At most {toolspecs.TOOL_LIMIT} tools."
            raise invalid(message, "definition.tools", "tool_limit_exceeded")
        for tool in tools:
            # What cannot be run is refused here, by name, and not at the first turn.
            toolspecs.check_runnable(tool)
        inputs = definition.fields("structured_inputs")
        for name in inputs.raw if inputs else ():
            if inputs is not None:
                inputs.fields(name)
    return definition.raw


async def create_version(call: Call) -> Reply:
    """Make a version; the first one makes the agent."""
    name = checked_name(call.path("agent_name"))
    body = await call.fields()
    body.only("definition", "description", "metadata", "draft", "blueprint_reference")
    definition = body.fields("definition")
    if definition is None:
        raise invalid("Missing required parameter: 'definition'.", "definition", "missing_required_parameter")
    if len(await call.request.body()) > _DEFINITION_LIMIT:
        raise WireError(413, "content_size_exceeded", "The definition is too large.")
    checked = _checked_definition(call, definition)
    state = call.project.state
    with state.transaction():
        agent = state.get("agent", name)
        number = 1 if agent is None else int(agent.extra["versions_made"]) + 1
        version: Json = {
            "object": "agent.version",
            "id": f"{name}:{number}",
            "name": name,
            "version": str(number),
            "description": body.text("description", max_length=512) or "",
            "metadata": body.metadata() or {},
            "created_at": call.project.clock.stamp(),
            "definition": checked,
            "status": "active",
        }
        shell: Json = agent.body if agent else {"name": name, "state": "enabled", "agent_endpoint": None}
        state.put("agent", name, shell, extra={"versions_made": number})
        state.put("version", str(number), version, parent=name)
    return Reply(_shown_version(call.project, version))


async def list_agents(call: Call) -> Reply:
    """List agents, newest first."""
    kind = call.query("kind")
    agents = [_shown_agent(call.project, doc.body) for doc in call.project.state.all("agent")]
    wanted = [
        agent
        for agent in agents
        if kind is None or (agent["versions"]["latest"] or {}).get("definition", {}).get("kind") == kind
    ]
    data, has_more = page(call, wanted, lambda agent: agent["id"])
    return Reply(_listed(data, has_more=has_more))


async def get_agent(call: Call) -> Reply:
    """Return an agent with its latest version."""
    return Reply(_shown_agent(call.project, need_agent(call.project.state, call.path("agent_name")).body))


async def update_details(call: Call) -> Reply:
    """Change an agent's endpoint: which version answers, over which protocols."""
    state, name = call.project.state, call.path("agent_name")
    agent = need_agent(state, name)
    body = await call.fields()
    body.only("agent_endpoint", "agent_card")
    endpoint = body.fields("agent_endpoint")
    if endpoint is not None:
        _check_rules(endpoint)
    if "agent_endpoint" in body.raw:
        before = agent.body["agent_endpoint"] or _ENDPOINT_DEFAULTS
        changed = merged(before, endpoint.raw) if endpoint else None
        state.put("agent", name, {**agent.body, "agent_endpoint": changed})
    return Reply(_shown_agent(call.project, need_agent(state, name).body))


def _check_rules(endpoint: Fields) -> None:
    selector = endpoint.fields("version_selector")
    for rule in (selector.objects("version_selection_rules") if selector else None) or []:
        rule.choice("type", ("FixedRatio",))
        rule.need("agent_version")
        rule.integer("traffic_percentage", 0, 100)


def _remove_agent(project: Project, name: str) -> None:
    project.state.delete_under("version", name)
    project.state.delete("agent", name)


async def delete_agent(call: Call) -> Reply:
    """Remove an agent with all its versions."""
    name = call.path("agent_name")
    need_agent(call.project.state, name)
    _remove_agent(call.project, name)
    return Reply({"object": "agent.deleted", "name": name, "deleted": True})


async def list_versions(call: Call) -> Reply:
    """List an agent's versions, newest first."""
    name = call.path("agent_name")
    need_agent(call.project.state, name)
    versions = [_shown_version(call.project, doc.body) for doc in versions_of(call.project.state, name)]
    data, has_more = page(call, versions, lambda version: version["id"])
    return Reply(_listed(data, has_more=has_more))


async def get_version(call: Call) -> Reply:
    """Return one version."""
    version = need_version(call.project.state, call.path("agent_name"), call.path("version"))
    return Reply(_shown_version(call.project, version))


async def delete_version(call: Call) -> Reply:
    """Remove one version; the last one takes the agent with it."""
    name, version = call.path("agent_name"), call.path("version")
    need_version(call.project.state, name, version)
    call.project.state.delete("version", version, name)
    if not versions_of(call.project.state, name):
        _remove_agent(call.project, name)
    return Reply({"object": "agent.version.deleted", "name": name, "version": version, "deleted": True})


async def enable(call: Call) -> Reply:
    """Let an agent answer."""
    return _switched(call, "enabled")


async def disable(call: Call) -> Reply:
    """Keep an agent from answering."""
    return _switched(call, "disabled")


def _switched(call: Call, state: str) -> Reply:
    name = call.path("agent_name")
    agent = need_agent(call.project.state, name)
    call.project.state.put("agent", name, {**agent.body, "state": state})
    return Reply(status=204)


OPERATIONS = (
    Operation("agents.create_version", "POST", "/agents/{agent_name}/versions", create_version),
    Operation("agents.list", "GET", "/agents", list_agents),
    Operation("agents.enable", "POST", "/agents/{agent_name}:enable", enable),
    Operation("agents.disable", "POST", "/agents/{agent_name}:disable", disable),
    Operation("agents.get", "GET", "/agents/{agent_name}", get_agent),
    Operation("agents.update_details", "PATCH", "/agents/{agent_name}", update_details),
    Operation(
        "agents.delete",
        "DELETE",
        "/agents/{agent_name}",
        delete_agent,
        "numbers of versions start again at 1",
    ),
    Operation("agents.list_versions", "GET", "/agents/{agent_name}/versions", list_versions),
    Operation("agents.get_version", "GET", "/agents/{agent_name}/versions/{version}", get_version),
    Operation(
        "agents.delete_version",
        "DELETE",
        "/agents/{agent_name}/versions/{version}",
        delete_version,
        "deleting the last version deletes the agent",
    ),
)
