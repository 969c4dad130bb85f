"""What carries a call out is named before it begins, so that whoever asked is told at once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from assetmill.records import RunId
from assetmill.serving_agents.book import digest_of_key
from assetmill.serving_agents.records import ONE_RUN, AgentCall, CallBegun, CallEnded
from assetmill.settings import Settings
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.run_ids import make_run_id, open_try


def run_id_for(
    tool: str, arguments: Mapping[str, Any], key: str, created_at: float, settings: Settings
) -> str | None:
    """Return the ID of the run or batch that will carry a call out; None for a tool that may begin several.

    Raises:
        InvalidInput: a batch's pipeline or table is not valid.
    """
    match tool:
        case _ if tool in ONE_RUN:
            digits = digest_of_key(key)
            # A run's ID ends as that of its flow run does: so it tells where its call lies.
            return make_run_id(str(uuid.UUID(digits[8:32] + digits[:8])), created_at)
        case "batch":
            return arguments.get("name") or _batch_id(arguments, settings)
        case _:
            return None


def _batch_id(arguments: Mapping[str, Any], settings: Settings) -> str:
    # Reading tables takes long to import, and few servers are asked for a batch.
    from assetmill.batches.opening import BatchOrder, batch_id_of

    given: Mapping[str, Any] = arguments.get("parameters") or {}
    return batch_id_of(BatchOrder(arguments["pipeline"], arguments["rows"], tuple(given.items())), settings)


def next_try(call: AgentCall, backend: Backend) -> str | None:
    """Return the ID of the run or batch by which a call's next attempt is carried out."""
    return open_try(call.told_run, backend) if call.told_run else call.run_id


def carried_out_as(
    call: AgentCall, begun: CallBegun | None, ended: CallEnded | None, backend: Backend
) -> str | None:
    """Return the ID of the run or batch by which a call is carried out at this moment."""
    if ended is not None and not ended.is_final:
        # The attempt after it has not said yet that it began.
        return next_try(call, backend)
    return (begun and begun.run_id) or call.run_id


def was_carried_out_as(
    call: AgentCall, begun: CallBegun | None, ended: CallEnded, backend: Backend
) -> str | None:
    """Return the ID of the run or batch by which a call was carried out; None where it never began."""
    document = ended.document or {}
    if named := document.get("run_id") or document.get("batch_id"):
        return named
    told = (begun and begun.run_id) or call.run_id
    # One that was refused before it began is not in the store: its name would lead nowhere.
    is_there = call.told_run and told and backend.head(layout.run_start(RunId(told)))
    return told if is_there else None
