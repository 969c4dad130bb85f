"""The managed identity endpoint, from which DefaultAzureCredential takes its token."""

from __future__ import annotations

import hmac
import time

from starlette.requests import Request
from starlette.responses import JSONResponse

from foundry_emulator.project import Project

TOKEN_LIFETIME_S = 86_400


async def token(project: Project, request: Request) -> JSONResponse:
    """Issue the emulator's token to whoever knows the identity header."""
    given = request.headers.get("x-identity-header", "")
    if not hmac.compare_digest(given.encode(), project.state.secret("identity").encode()):
        error = {"statusCode": 401, "message": "X-IDENTITY-HEADER is missing or wrong."}
        return JSONResponse(error, 401)
    resource = request.query_params.get("resource", "")
    if not resource:
        return JSONResponse({"statusCode": 400, "message": "resource is required."}, 400)
    # Real time, not the emulator's: the client compares this with its own clock.

    expires_on = int(time.time()) + TOKEN_LIFETIME_S
    return JSONResponse(
        {
            "access_token": project.state.secret("access"),
            "expires_on": str(expires_on),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": request.query_params.get("client_id", ""),
        }
    )
