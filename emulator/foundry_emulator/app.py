"""Puts the operations behind their addresses: one application for the service, one for the rest."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from foundry_emulator.boundary.errors import Surface, WireError
from foundry_emulator.project import Project
from foundry_emulator.responses.registry import Responses
from foundry_emulator.routes import (
    agents,
    containers,
    control,
    conversations,
    files,
    identity,
    image_models,
    vector_stores,
)
from foundry_emulator.routes import (
    project as project_routes,
)
from foundry_emulator.routes import (
    responses as response_routes,
)
from foundry_emulator.routes.endpoint import Call, Endpoint, Operation, check_caller

PROJECT_OPERATIONS: tuple[Operation, ...] = (*agents.OPERATIONS, *project_routes.OPERATIONS)
OPENAI_OPERATIONS: tuple[Operation, ...] = (
    *conversations.OPERATIONS,
    *files.OPERATIONS,
    *vector_stores.OPERATIONS,
    *containers.OPERATIONS,
    *response_routes.OPERATIONS,
)
RESOURCE_OPERATIONS: tuple[Operation, ...] = image_models.OPERATIONS
"""At the root of the resource, not under a project."""
CONTROL_OPERATIONS: tuple[Operation, ...] = control.OPERATIONS
CONTROL_PATH = "/_assetmill"
_AGENT_ENDPOINT = "/agents/{agent_name}/endpoint/protocols/openai"
# The first preview had no `v1`; an agent's own endpoint is written both ways.
_OPENAI_BASES = ("/openai/v1", "/openai", f"{_AGENT_ENDPOINT}/v1", _AGENT_ENDPOINT)
_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")


class Guard:
    """Lets only loopback names and no browser through: a page elsewhere must not reach the emulator."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse foreign Host headers (DNS rebinding) and every Origin (cross-site requests)."""
        if scope["type"] != "http":
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        error: WireError | None = None
        if not _HOST.fullmatch(headers.get(b"host", "").lower()):
            error = WireError(400, "invalid_host", "The emulator answers on loopback names only.")
        elif b"origin" in headers:
            error = WireError(403, "forbidden_origin", "The emulator does not answer browsers.")
        if error is None:
            await self._app(scope, receive, send)
        else:
            await _worded(error, scope["path"])(scope, receive, send)


def _surface(path: str) -> Surface:
    return "openai" if "/openai/" in path else "project"


def _worded(error: WireError, path: str) -> Response:
    body = error.envelope(_surface(path), secrets.token_hex(16))
    return JSONResponse(body, error.status, headers=error.headers)


def _routes(
    project: Project, responses: Responses, operations: Iterable[Operation], prefix: str, surface: Surface
) -> list[BaseRoute]:
    return [
        Route(
            prefix + one.path, Endpoint(project, responses, one, surface), methods=[one.method], name=one.name
        )
        for one in operations
    ]


async def _unknown(request: Request, problem: Exception) -> Response:
    """Answer addresses that no operation has: by name, after the caller has shown its token."""
    surface = _surface(request.url.path)
    try:
        check_caller(
            Call(request.app.state.project, request.app.state.responses, request, "unknown"), surface
        )
    except WireError as error:
        return _worded(error, request.url.path)
    status = int(getattr(problem, "status_code", 404))
    message = f"The assetmill emulator has no operation {request.method} {request.url.path[:200]}."
    code = "operation_not_emulated" if status == 404 else "method_not_allowed"
    return _worded(WireError(status, code, message), request.url.path)


def create_app(project: Project, responses: Responses, project_name: str = "local") -> ASGIApp:
    """Return the application that speaks for the project endpoint `/api/projects/<project_name>`."""
    base = f"/api/projects/{project_name}"
    routes: list[BaseRoute] = []
    for prefix in (base + one for one in _OPENAI_BASES):
        routes += _routes(project, responses, OPENAI_OPERATIONS, prefix, "openai")
    routes += _routes(project, responses, PROJECT_OPERATIONS, base, "project")
    routes += _routes(project, responses, RESOURCE_OPERATIONS, "", "openai")
    return Guard(_application(project, responses, routes))


def create_side_app(project: Project, responses: Responses) -> ASGIApp:
    """Return the application for the plain listener: managed identity tokens and the control API."""

    async def token(request: Request) -> Response:
        return await identity.token(project, request)

    routes = [
        Route("/msi/token", token, methods=["GET"]),
        *_routes(project, responses, CONTROL_OPERATIONS, CONTROL_PATH, "control"),
    ]
    return Guard(_application(project, responses, routes))


def _application(project: Project, responses: Responses, routes: Sequence[BaseRoute]) -> Starlette:
    app = Starlette(routes=list(routes), exception_handlers={404: _unknown, 405: _unknown})
    app.router.redirect_slashes = False
    app.state.project = project
    app.state.responses = responses
    return app
