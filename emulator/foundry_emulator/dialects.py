"""How the service worded the same things over time: dated flavours, so that a client meets each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

Flavour = Literal["azure", "azure-2025-11", "azure-2026-03", "azure-2026-07", "openai"]
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)
NEWEST = "azure-2026-07"
_OLDEST = "azure-2025-11"


@dataclass(frozen=True)
class Dialect:
    """One flavour, asked by what it does."""

    flavour: Flavour

    @property
    def is_azure(self) -> bool:
        """Say whether this is Foundry rather than OpenAI's own service."""
        return self.flavour != "openai"

    @property
    def is_first(self) -> bool:
        """Say whether this is the first preview: `agent`, nulls, no `completed_at`."""
        return self.flavour == _OLDEST

    @property
    def is_newest(self) -> bool:
        """Say whether this is what Foundry sends today."""
        return self.flavour == NEWEST

    @property
    def takes_agent(self) -> bool:
        """Say whether the deprecated field `agent` still names an agent."""
        return self.flavour != NEWEST


def dialect(flavour: str) -> Dialect:
    """Return the dialect of a flavour; plain `azure` is the newest one of Foundry."""
    return Dialect(cast(Flavour, NEWEST if flavour == "azure" else flavour))
