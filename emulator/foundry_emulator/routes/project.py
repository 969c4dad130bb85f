"""Model deployments and connections of the project."""

from __future__ import annotations

from foundry_emulator.boundary.errors import WireError
from foundry_emulator.routes.endpoint import Call, Operation, Reply


async def list_deployments(call: Call) -> Reply:
    """List model deployments, filtered by publisher, model and type."""
    filters = {"modelPublisher": "modelPublisher", "modelName": "modelName", "deploymentType": "type"}
    found = [
        one
        for one in call.project.deployments()
        if all(call.query(name) in (None, one[field]) for name, field in filters.items())
    ]
    return Reply({"value": found})


async def get_deployment(call: Call) -> Reply:
    """Return one model deployment."""
    name = call.path("name")
    found = call.project.deployment(name)
    if found is None:
        raise WireError(404, "NotFound", f"Deployment {name[:80]} not found.")
    return Reply(found)


async def list_connections(call: Call) -> Reply:
    """List connections: an emulated project has none."""
    del call
    return Reply({"value": []})


async def get_connection(call: Call) -> Reply:
    """Say that a connection is not there."""
    name = call.path("name")
    raise WireError(404, "NotFound", f"Connection {name[:80]} not found.")


OPERATIONS = (
    Operation("deployments.list", "GET", "/deployments", list_deployments),
    Operation("deployments.get", "GET", "/deployments/{name}", get_deployment),
    Operation("connections.list", "GET", "/connections", list_connections, "always empty"),
    Operation("connections.get", "GET", "/connections/{name}", get_connection, "always 404"),
    Operation(
        "connections.get_with_credentials",
        "POST",
        "/connections/{name}/getConnectionWithCredentials",
        get_connection,
        "always 404",
    ),
)
