"""What tasks ask of the flow run they belong to: its ID, and what a task that was handed out came to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast
from uuid import UUID

import httpx
from prefect import State, get_client
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectHTTPStatusError
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.states import Completed
from prefect.telemetry.run_telemetry import LABELS_TRACEPARENT_KEY
from prefect.types import KeyValueLabels

from assetmill.markdown import one_line
from assetmill.traces import context

T = TypeVar("T")

_NAME_CHARS, _VALUE_CHARS = 120, 40
"""Prefect's lists show about as much of a name; a prompt may be a parameter."""


def current_flow_run() -> tuple[str, int]:
    """Return the ID of the flow run that calls this, and which try of it this is, from 1 on."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    if flow_run is None:
        raise RuntimeError("something was begun outside a flow run")
    return str(flow_run.id), max(flow_run.run_count, 1)


def run_name() -> str:
    """Return what the flow run that begins is called: its pipeline, and the parameters that it was given."""
    from prefect.runtime import flow_run

    given = cast("dict[str, Any]", flow_run.parameters)
    return name_of(str(given["pipeline"]), given.get("parameters") or {})


def name_of(pipeline: str, parameters: Mapping[str, object]) -> str:
    """Return a pipeline with its parameters as a name on one line: those that fit, each as far as it fits."""
    parts = [f"{name}={_brief(str(value), _VALUE_CHARS)}" for name, value in parameters.items()]
    return _brief(" ".join([pipeline, *parts]), _NAME_CHARS)


def _brief(text: str, most: int) -> str:
    flat = " ".join(one_line(text).split())
    return flat if len(flat) <= most else f"{flat[: most - 3]}..."


def batch_name(pipeline: str, batch_id: str) -> str:
    """Return what a flow run of a batch is called."""
    return _brief(f"batch {batch_id} of {pipeline}", _NAME_CHARS)


def batch_tag(batch_id: str) -> str:
    """Return the tag of all flow runs of a batch: Prefect's page lists them together by it."""
    return f"batch:{batch_id}"


async def name_batch(pipeline: str, batch_id: str) -> None:
    """Call the current flow run by its batch: until its rows are read nobody knows what names it."""
    flow_run_id = UUID(current_flow_run()[0])
    # A server that is away costs a batch its name, not its work.
    with suppress(httpx.TransportError, PrefectHTTPStatusError):
        async with get_client() as client:
            found = await client.read_flow_run(flow_run_id)
            await client.update_flow_run(
                flow_run_id,
                name=batch_name(pipeline, batch_id),
                tags=sorted({*found.tags, batch_tag(batch_id)}),
            )


def names_of(names: Sequence[str], first: int, last: int) -> str:
    """Return what a task for some rows is called: by their names where they have any, and by their lines."""
    lines = f"rows {first}-{last}" if last > first else f"row {first}"
    ends = [name for name in dict.fromkeys((names[0], names[-1])) if not name.startswith("row ")]
    shown = " to ".join(_brief(name, _VALUE_CHARS) for name in ends)
    return f"{shown} ({lines})" if shown else lines


def stages_name(labels: Sequence[str]) -> str:
    """Return what a task for some stages is called."""
    if len(labels) == 1:
        return labels[0]
    return f"{_brief(labels[0], _VALUE_CHARS)} to {_brief(labels[-1], _VALUE_CHARS)} ({len(labels)} stages)"


def traceparent() -> str:
    """Return the W3C trace context that whoever made the current flow run has given it, "" for none."""
    running = FlowRunContext.get()
    flow_run = running.flow_run if running else None
    return str(flow_run.labels.get(LABELS_TRACEPARENT_KEY, "")) if flow_run else ""


def trace_labels() -> KeyValueLabels:
    """Return the labels by which a flow run that is made now joins the trace of this one."""
    here = context.traceparent()
    return {LABELS_TRACEPARENT_KEY: here} if here else {}


def waiting(said: str, facts: dict[str, Any]) -> Any:
    """Return the state of a flow run of which all that is left waits for people.

    A flow that returns it gives its caller the facts.

    Completed, because it holds nothing and nothing is wrong; by its name it is told from one that has made
    everything, and its event is `prefect.flow-run.Waiting`. A paused one would be resumed by Prefect's clock.
    """
    return Completed(name="Waiting", message=said, data=facts)


def outcome_of(future: PrefectFuture[T]) -> Awaitable[T | BaseException]:
    """Return what to await for the result of a task in the flow's thread pool, or the error it ended with."""
    in_thread = cast(PrefectConcurrentFuture[T], future).wrapped_future
    return _outcome(asyncio.wrap_future(in_thread))


async def _outcome(running: Awaitable[Any]) -> Any:
    state: State[Any] = await running
    return await state.aresult(raise_on_failure=False)
