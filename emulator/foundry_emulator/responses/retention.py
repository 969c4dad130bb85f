"""How long a stored response can be read: thirty days by the emulator's clock."""

from __future__ import annotations

from foundry_emulator.at_rest import forget_response
from foundry_emulator.jsons import Json
from foundry_emulator.project import Project

_RETENTION_S = 30 * 86_400


def retained(project: Project, response_id: str) -> Json | None:
    """Return a stored response that is still retained, or None."""
    doc = project.state.get("response", response_id)
    if doc is None:
        return None
    if doc.body["created_at"] + _RETENTION_S <= project.clock.now():
        forget_response(project.state, response_id)
        return None
    return doc.body
