"""Answers to what an agent asks of its caller: functions, approvals, a computer's screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assetmill.agents.gateway import Json
from assetmill.calls import StageCall
from assetmill.errors import StageFailed


def answer(call: StageCall, waiting: Sequence[Json], services: Any) -> tuple[Json, ...]:
    """Return one input item for every item that waits for the caller.

    Raises:
        StageFailed: the stage has no way to answer.
    """
    kinds = ", ".join(sorted({str(item.get("type")) for item in waiting}))
    raise StageFailed(call.label, f"the agent asks for {kinds}, which this stage does not offer")
