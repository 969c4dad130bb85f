"""Whether a coding agent may spend: by the profile, and where the profile says so by a person's word."""

from __future__ import annotations

from assetmill.errors import InvalidInput
from assetmill.settings import Settings


def check_ceiling(tool: str, ceiling_usd: float, settings: Settings) -> None:
    """Refuse a call that the profile does not let a coding agent make.

    Raises:
        InvalidInput: agents may not spend, or not as much.
    """
    allowed = settings.coding_agents
    if allowed.spend == "forbid":
        raise InvalidInput(
            f"profile {settings.profile!r} forbids spending by coding agents "
            f'([coding_agents] spend = "forbid"): `{tool}` is for a person, as `assetmill {tool}`'
        )
    if allowed.most_usd is not None and ceiling_usd > allowed.most_usd:
        raise InvalidInput(
            f"a ceiling of ${ceiling_usd:.2f} is above the ${allowed.most_usd:.2f} that profile "
            f"{settings.profile!r} lets a coding agent name ([coding_agents] most_usd)"
        )


def question(tool: str, what: str, ceiling_usd: float) -> str:
    """Return what a person is asked."""
    return f"The coding agent wants `{tool}` {what!r}, for at most ${ceiling_usd:.2f}. May it?"


def cannot_ask(tool: str, settings: Settings) -> InvalidInput:
    """Return the refusal for a program that cannot ask its person."""
    return InvalidInput(
        f'profile {settings.profile!r} wants a person asked ([coding_agents] spend = "ask"), and this '
        f"program cannot ask (no elicitation): run `assetmill {tool}` yourself, or change the profile"
    )
