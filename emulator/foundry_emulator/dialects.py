"""How the service worded the same things over time: dated flavours, so that a client meets each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

Flavour = Literal[
    "azure",
    "azure-2025-11",
    "azure-2026-03",
    "azure-2026-04",
    "azure-2026-05",
    "azure-2026-07",
    "openai",
]
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)
DATED = tuple(flavour for flavour in FLAVOURS if "-20" in flavour)
"""Foundry's, the oldest first."""
NEWEST = DATED[-1]


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
        return self.flavour == DATED[0]

    @property
    def is_newest(self) -> bool:
        """Say whether this is what Foundry sends today."""
        return self.flavour == NEWEST

    def _is_since(self, flavour: Flavour) -> bool:
        return self.is_azure and DATED.index(self.flavour) >= DATED.index(flavour)

    @property
    def tells_agent_status(self) -> bool:
        """Say whether an agent's version has a `status`."""
        return not self.is_azure or self._is_since("azure-2026-04")

    @property
    def keeps_prompts(self) -> bool:
        """Say whether a response tells that its prompt is kept `in_memory`."""
        return self._is_since("azure-2026-05")

    @property
    def takes_agent(self) -> bool:
        """Say whether the deprecated field `agent` still names an agent."""
        return not self._is_since("azure-2026-05")


def dialect(flavour: str) -> Dialect:
    """Return the dialect of a flavour; plain `azure` is the newest one of Foundry."""
    return Dialect(cast(Flavour, NEWEST if flavour == "azure" else flavour))
