"""Spans and figures of runs, for a collector: off, and nothing of it imported, unless an address is set.

Where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector, a run is one trace. Nothing that a person wrote and
nothing that was drawn goes there: names, IDs, tokens and money do. The extra `otel` has what it needs.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from assetmill.errors import AssetmillError, InvalidSettings
from assetmill.progress import LOGGER_NAME, EventHandler, StageEvent
from assetmill.redaction import redact
from assetmill.traces import words

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from assetmill.plan.calls import StageCall
    from assetmill.records import StageRecord

_ADDRESS, _CONVENTION = "OTEL_EXPORTER_OTLP_ENDPOINT", "ASSETMILL_GENAI_CONVENTION"
_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_PROVIDER = "azure.ai.openai"
_MESSAGE_CHARS = 200
_FLUSH_MS = 5000
"""A collector that is away delays the end of a run by no more."""


def is_on(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether traces go anywhere: an address is set, and what the extra brings is installed."""
    is_wanted = environ.get(_ADDRESS) and environ.get("OTEL_SDK_DISABLED", "").lower() != "true"
    return bool(is_wanted) and _is_installed()


@cache
def _is_installed() -> bool:
    # Many a cluster sets the address for all that runs there: that must not stop who has not the extra.
    try:
        return importlib.util.find_spec(_EXPORTER) is not None
    except ModuleNotFoundError:
        return False


def convention(environ: Mapping[str, str] = os.environ) -> words.Convention:
    """Return the version of the conventions whose names are used.

    Raises:
        InvalidSettings: it is none that is known.
    """
    named = environ.get(_CONVENTION) or words.CONVENTION
    if named not in words.CONVENTIONS:
        known = ", ".join(words.CONVENTIONS)
        raise InvalidSettings(f"{_CONVENTION}={named!r}: one of {known}")
    return named


@contextmanager
def traced_run(pipeline: str, run_id: str) -> Generator[None]:
    """Make what happens inside one trace, below the caller's own where there is one."""
    if not is_on():
        yield
        return
    attributes = {"assetmill.pipeline": pipeline, "assetmill.run.id": run_id}
    try:
        with _tracer().start_as_current_span(f"run {pipeline}", attributes=attributes):
            yield
    finally:
        flush()


def traced_stage(call: StageCall, run_id: str, work: Callable[[], StageRecord]) -> StageRecord:
    """Return the commit that `work` comes to, as a span with one below it for each response."""
    if not is_on():
        return work()
    # A local stage asks no agent, and so has no words of the convention.
    asked = {
        "gen_ai.operation.name": "invoke_agent",
        words.provider(convention()): _PROVIDER,
        "gen_ai.request.model": call.model,
    }
    attributes = {} if call.is_local else asked
    attributes |= {
        "assetmill.pipeline": call.pipeline,
        "assetmill.stage": call.label,
        "assetmill.run.id": run_id,
        "assetmill.fingerprint": call.fingerprint,
    }
    name = f"make {call.stage}" if call.is_local else f"invoke_agent {call.stage}"
    with _tracer().start_as_current_span(name, attributes=attributes) as span:
        with _listening(span, call.label, run_id):
            try:
                record = work()
            except AssetmillError as error:
                span.set_attribute("error.type", type(error).__name__)
                _count(call, type(error).__name__, None)
                raise
        _tell(span, record, run_id)
        is_reused = record.run_id != run_id
        _count(call, "reused" if is_reused else "done", None if is_reused else record.cost_usd)
        return record


def _tell(span: Span, record: StageRecord, run_id: str) -> None:
    """Write what a commit says on its stage's span, and a span for each of its responses."""
    is_reused = record.run_id != run_id
    told: dict[str, Any] = {
        "assetmill.attempt": record.attempt,
        "assetmill.reused": is_reused,
        "assetmill.assets": [asset.asset_id for asset in record.outputs],
        "gen_ai.usage.input_tokens": None if is_reused else record.usage.input_tokens,
        "gen_ai.usage.output_tokens": None if is_reused else record.usage.output_tokens,
        "assetmill.cost_usd": None if is_reused else record.cost_usd,
    }
    span.set_attributes({name: value for name, value in told.items() if value is not None})
    for made in () if is_reused else record.made_by:
        attributes = {
            "gen_ai.operation.name": "chat",
            words.provider(convention()): _PROVIDER,
            "gen_ai.request.model": made.model,
            "gen_ai.response.id": made.response_id,
            "gen_ai.agent.name": made.agent_name,
            "assetmill.agent.version": made.agent_version,
            "gen_ai.conversation.id": made.conversation_id,
        }
        # The commit knows from when to when the stage worked, and of several turns no more than their order.
        began = int(record.started_at * 1e9)
        response = _tracer().start_span(f"chat {made.model}", start_time=began, attributes=attributes)
        response.end(int(record.finished_at * 1e9))


@contextmanager
def _listening(span: Span, label: str, run_id: str) -> Generator[None]:
    """Put what the engine says of a stage on its span, until the end."""

    def hear(event: StageEvent) -> None:
        name = f"assetmill.{event.event}"
        if (event.label, event.run_id) == (label, run_id) and name in words.EVENTS:
            span.add_event(name, {"message": redact(event.message)[:_MESSAGE_CHARS]})

    logger, handler = logging.getLogger(LOGGER_NAME), EventHandler(hear)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _count(call: StageCall, outcome: str, cost_usd: float | None) -> None:
    model = {} if call.is_local else {"gen_ai.request.model": call.model}
    told = {"assetmill.pipeline": call.pipeline} | model
    _, counters = opened()
    counters["assetmill.stages"].add(1, told | {"assetmill.outcome": outcome})
    if cost_usd is not None:
        counters["assetmill.spend"].add(cost_usd, told)


def flush() -> None:
    """Send what is still here."""
    providers, _ = opened()
    for provider in providers:
        provider.force_flush(_FLUSH_MS)


def _tracer() -> Any:
    return opened()[0][0].get_tracer("assetmill")


@cache
def opened() -> tuple[tuple[Any, Any], Mapping[str, Any]]:
    """Open the way to the collector, once for a process; providers of our own leave others' alone."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    logger = logging.getLogger(LOGGER_NAME)
    if not logger.isEnabledFor(logging.INFO):
        # For the whole process: stages end in threads of their own, and none may turn it off.
        logger.setLevel(logging.INFO)
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or "assetmill"})
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    figures = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=resource)
    meter = figures.get_meter("assetmill")
    counters = {name: meter.create_counter(name, unit, said) for name, (unit, said) in words.METRICS.items()}
    return (spans, figures), counters
