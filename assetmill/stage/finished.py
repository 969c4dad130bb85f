"""One turn of an attempt whose response is final."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from assetmill.agents.gateway import Response
from assetmill.agents.outputs import Produced, read_usage
from assetmill.records import Intent, Usage


@dataclass(frozen=True)
class Finished:
    """A turn's intent, its final response, and what that response's JSON says."""

    intent: Intent
    response: Response
    produced: Produced

    @cached_property
    def usage(self) -> Usage:
        """What the service says was used."""
        return read_usage(self.response.body)
