"""Where a call that spends stands: under way, over, or lost; never "done" without a record that says so."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import Any, cast

from assetmill.errors import AssetmillError
from assetmill.money.budget import Budget
from assetmill.serving_agents import carrier
from assetmill.serving_agents.book import CallBook, call_id_of
from assetmill.serving_agents.commands import message_of
from assetmill.serving_agents.naming import carried_out_as, next_try, run_id_for, was_carried_out_as
from assetmill.serving_agents.records import AgentCall, CallEnded
from assetmill.settings import Settings
from assetmill.store.backend import Backend
from assetmill.store.opening import open_store

_PROGRESS_LINES = 12
MOST_ENTRIES = 100
"""Entries of a list that an answer holds; the rest is left for the command line."""


class CallLost(AssetmillError):
    """A call began, nobody is at work on it here, and nothing says how it ended."""


def open_backend(settings: Settings) -> Backend:
    """Open a profile's object store."""
    store = settings.store
    return open_store(
        settings.store_url, endpoint_url=store.endpoint_url, region=store.region, home=settings.home
    )


def ask(
    key: str, tool: str, arguments: Mapping[str, Any], ceiling_usd: float, settings: Settings
) -> dict[str, Any]:
    """Record a call under its key, see to it that somebody carries it, and say where it stands.

    Asked again, it is the same call: one that is over answers with what it made, one that was lost goes on
    where it was, and its ceiling holds for all its attempts together.

    Raises:
        InvalidInput: the key is another call's.
    """
    with closing(open_backend(settings)) as backend:
        book = CallBook(backend)
        name_run = partial(run_id_for, tool, arguments, key, settings=settings)
        call = book.open(key, tool, dict(arguments), ceiling_usd, settings.profile, name_run=name_run)
        begun, ended = book.newest(call.call_id)
        if ended is None or not ended.is_final:
            coming = next_try(call, backend)
            is_new = carrier.start(call, settings)
            run_id = coming if is_new else carried_out_as(call, begun, ended, backend)
            return _told(call, "running", None, settings, backend, run_id=run_id)
        run_id = was_carried_out_as(call, begun, ended, backend)
        return _told(call, _status(ended), ended, settings, backend, run_id=run_id)


def is_known(key: str, settings: Settings) -> bool:
    """Say whether a key has a call already: a person is not asked twice for the same money."""
    with closing(open_backend(settings)) as backend:
        return CallBook(backend).is_known(call_id_of(key))


def status(name: str, settings: Settings) -> dict[str, Any]:
    """Say where a call stands, by its ID or by that of the run or batch which carries it out.

    Raises:
        NotFound: it was never asked for in this store.
        CallLost: it began, and nothing says how it ended.
    """
    with closing(open_backend(settings)) as backend:
        book = CallBook(backend)
        call = book.find(name)
        is_carried = carrier.is_carried(settings, call.call_id)
        begun, ended = book.newest(call.call_id)
        if is_carried:
            run_id = carried_out_as(call, begun, ended, backend)
            return _told(call, "running", None, settings, backend, run_id=run_id)
        if ended is None:
            where = f"on {begun.host}" if begun else "by no process"
            raise CallLost(
                f"{name} is lost: it was begun {where} and nothing says how it ended. Ask again with the "
                f"same key ({call.key!r}): it goes on where it was, and what is paid for is not paid again"
            )
        run_id = was_carried_out_as(call, begun, ended, backend)
        return _told(call, _status(ended), ended, settings, backend, run_id=run_id)


def _status(ended: CallEnded) -> str:
    if not ended.is_final:
        return "stopped"
    return "completed" if ended.exit_code == 0 else "failed"


def _told(
    call: AgentCall,
    state: str,
    ended: CallEnded | None,
    settings: Settings,
    backend: Backend,
    *,
    run_id: str | None,
) -> dict[str, Any]:
    spent_usd, reserved = Budget(backend).usage(f"run/{call.call_id}")
    document = ended.document if ended else None
    told: dict[str, Any] = {
        "call_id": call.call_id,
        "tool": call.tool,
        "status": state,
        "run_id": run_id,
        "cost": {
            "spent_usd": round(spent_usd, 6),
            "reserved_usd": round(sum(reserved.values()), 6),
            "ceiling_usd": call.ceiling_usd,
        },
        "progress": carrier.progress_of(settings, call.call_id)[-_PROGRESS_LINES:],
    }
    if ended is not None and state != "completed":
        told["error"] = message_of(document, "\n".join(ended.said), ended.exit_code)
    if document is not None:
        told["result"] = bounded(document)
    return told


def bounded(value: Any) -> Any:
    """Return a document whose lists are short enough for a conversation; each says what was left out."""
    if isinstance(value, dict):
        return {str(name): bounded(part) for name, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        entries = cast("list[Any]", value)
        kept = [bounded(part) for part in entries[:MOST_ENTRIES]]
        return [*kept, f"and {len(entries) - MOST_ENTRIES} more"] if len(entries) > MOST_ENTRIES else kept
    return value
