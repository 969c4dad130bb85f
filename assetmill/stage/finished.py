"""One turn of an attempt whose response is final."""

from __future__ import annotations

from dataclasses import dataclass

from assetmill.agents.gateway import Response
from assetmill.agents.outputs import Produced
from assetmill.records import Intent


@dataclass(frozen=True)
class Finished:
    """A turn's intent, its final response, and what that response's JSON says."""

    intent: Intent
    response: Response
    produced: Produced
