"""W3C trace context: taken from whoever began the work, and given to whoever is asked to do some of it."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from assetmill.traces import switch

KEY = "traceparent"
_VARIABLE = "TRACEPARENT"
"""How a traced program, as a CI job, hands its context to one that it starts."""


def headers() -> dict[str, str]:
    """Return the headers by which a service can join the trace of what asks it; none where nothing is on."""
    if not switch.is_on():
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier


def traceparent() -> str:
    """Return the context of what happens now in one line, "" where there is none."""
    return headers().get(KEY, "")


@contextmanager
def below(parent: str, environ: Mapping[str, str] = os.environ) -> Generator[None]:
    """Make what happens inside part of a trace that was begun elsewhere.

    A span that is open here already goes before `parent`, and that before the environment.
    """
    if not switch.is_on() or headers():
        yield
        return
    from opentelemetry import context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {KEY: parent or environ.get(_VARIABLE, "")}
    token = context.attach(TraceContextTextMapPropagator().extract(carrier))
    try:
        yield
    finally:
        context.detach(token)


def captured() -> Any:
    """Return the context of this thread, for `continued` in another; None where nothing is on."""
    if not switch.is_on():
        return None
    from opentelemetry import context

    return context.get_current()


@contextmanager
def continued(held: Any) -> Generator[None]:
    """Go on in a context that another thread was in."""
    if held is None:
        yield
        return
    from opentelemetry import context

    token = context.attach(held)
    try:
        yield
    finally:
        context.detach(token)
