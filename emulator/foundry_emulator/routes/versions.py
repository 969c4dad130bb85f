"""Which `api-version` an address wants, and how the service answers one that it does not know or misses.

Public: a missing one is 400 `BadRequest`, an unknown one 400 `UnsupportedApiVersionValue`; below an agent's
own endpoint an old preview is not found. `/openai/v1` names its version in its path and wants none; image
models that are called themselves, at the root of the resource, have versions of their own.
"""

from __future__ import annotations

from foundry_emulator.boundary.errors import WireError

SUPPORTED = ("v1", "2025-05-01", "2025-05-15-preview", "2025-11-15-preview")
_AGENT_ENDPOINT = "/endpoint/protocols/openai"
_IMAGE_MODELS = ("/mai/", "/providers/")


def check_version(path: str, given: str | None) -> None:
    """Refuse a request for its `api-version`.

    Raises:
        WireError: 400 when it is missing or unknown, 404 when an agent's endpoint has no such version.
    """
    is_agents_own = _AGENT_ENDPOINT in path
    if path.startswith(_IMAGE_MODELS) or ("/openai/v1/" in path and not is_agents_own):
        return
    if not given:
        raise WireError(400, "BadRequest", "Missing required query parameter: api-version", layer="gateway")
    if is_agents_own and given != "v1" and given in SUPPORTED:
        raise WireError(404, "NotFound", "Resource not found", layer="gateway")
    if given not in SUPPORTED:
        shown = ", ".join(f"'{version}'" for version in SUPPORTED)
        message = f"Unsupported api version '{given[:60]}'. The supported versions are {shown}"
        raise WireError(400, "UnsupportedApiVersionValue", message, layer="gateway")
