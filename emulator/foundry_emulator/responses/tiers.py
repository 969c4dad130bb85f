"""Which tier serves a response: the normal one, or flex, where the model has it and there is capacity."""

from __future__ import annotations

from foundry_emulator import data
from foundry_emulator.boundary.errors import WireError, not_with_agent
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.project import Project

DEFAULT, FLEX = "default", "flex"


def wanted_tier(project: Project, request: Fields, model: str, *, has_agent: bool) -> str:
    """Return the tier that is to serve a request; other tiers than flex are taken and served as default.

    Raises:
        WireError: 400 where flex cannot be had; it does not fall back to the default by itself.
    """
    if request.text("service_tier") != FLEX:
        return DEFAULT
    answer = project.settings.flex_with_agent if has_agent else "accepted"
    if answer == "refused":
        raise not_with_agent("service_tier")
    if answer == "dropped":
        return DEFAULT
    if not data.has_flex(model):
        message = f"Flex processing is not supported for the model deployment '{model[:80]}'."
        raise WireError(400, "invalid_request_error", message, param="service_tier")
    return FLEX


def check_capacity(project: Project, tier: str) -> None:
    """Refuse what finds no capacity in flex. The quota that it took stays taken, which the page says too.

    Raises:
        WireError: 429; nothing is charged.
    """
    if tier == FLEX and project.chance.random() < project.settings.flex_refusals:
        message = "Resource unavailable: there is no capacity for flex processing at present."
        raise WireError(429, "resource_unavailable", message)
