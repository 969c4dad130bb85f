"""The way to the collector, opened once for a process when the first span or figure goes there."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from assetmill.progress import LOGGER_NAME
from assetmill.traces import switch, words

_log = logging.getLogger(__name__)
_FLUSH_MS = 5000
"""A collector that is away delays the end of a run by no more."""

Observed = tuple[float, Mapping[str, Any]]
Source = Callable[[], Iterable[Observed]]
"""What a gauge shows whenever it is read: each figure with its attributes."""

_sources: dict[str, list[Source]] = {}
# Batches begin and end while an exporter's thread reads.
_guard = threading.Lock()


@dataclass(frozen=True)
class Sender:
    """The providers of a process, ours alone: those of others are left as they are."""

    providers: tuple[Any, ...]
    tracer: Any
    instruments: Mapping[str, Any]


@cache
def opened() -> Sender:
    """Open the way to the collector, for what the environment names an address for."""
    from opentelemetry.sdk.resources import Resource

    logger = logging.getLogger(LOGGER_NAME)
    if not logger.isEnabledFor(logging.INFO):
        # For the whole process: stages end in threads of their own, and none may turn it off.
        logger.setLevel(logging.INFO)
    name = os.environ.get("OTEL_SERVICE_NAME") or "assetmill"
    # Each process counts for itself: two of one name would overwrite each other's figures.
    resource = Resource.create({"service.name": name, "service.instance.id": str(uuid.uuid4())})
    spans, figures = _spans(resource), _figures(resource)
    meter = figures.get_meter("assetmill")
    instruments = {name: _instrument(meter, name, one) for name, one in words.METRICS.items()}
    sender = Sender((spans, figures), spans.get_tracer("assetmill"), instruments)
    # A process that makes no run, as a worker between two, still sends what it has when it ends.
    atexit.register(send_rest, sender)
    return sender


def _spans(resource: Any) -> Any:
    from opentelemetry.sdk.trace import TracerProvider

    # Its own way of ending would wait for a collector that is away as long as its exporter likes.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    if switch.sends("traces"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _figures(resource: Any) -> Any:
    from opentelemetry.sdk.metrics import MeterProvider

    readers: list[Any] = []
    if switch.sends("metrics"):
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    return MeterProvider(readers, resource=resource, shutdown_on_exit=False)


def _instrument(meter: Any, name: str, metric: words.Metric) -> Any:
    match metric.kind:
        case "counter":
            return meter.create_counter(name, metric.unit, metric.meaning)
        case "up_down":
            return meter.create_up_down_counter(name, metric.unit, metric.meaning)
        case "histogram":
            return meter.create_histogram(
                name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=metric.edges
            )
        case "gauge":
            return meter.create_observable_gauge(name, [_reader(name)], metric.unit, metric.meaning)


def _reader(name: str) -> Callable[[Any], Iterable[Any]]:
    def read(_: Any) -> Iterable[Any]:
        from opentelemetry.metrics import Observation

        with _guard:
            sources = tuple(_sources.get(name, ()))
        return [Observation(value, dict(about)) for source in sources for value, about in source()]

    return read


def observe(name: str, source: Source) -> Callable[[], None]:
    """Let a gauge show what `source` says, and return what ends that."""
    assert words.METRICS[name].kind == "gauge"  # noqa: S101 - a name of our own table
    with _guard:
        _sources.setdefault(name, []).append(source)

    def end() -> None:
        with _guard:
            if source in _sources[name]:
                _sources[name].remove(source)

    return end


_lifetimes: list[Observed] = []


def tell_lifetimes(days_left: Mapping[str, int]) -> None:
    """Show how many days each model has left, from now on, and send that: whoever looked may end at once."""
    if not switch.is_on():
        return
    with _guard:
        _lifetimes[:] = [(days, {"assetmill.model": model}) for model, days in days_left.items()]
        known = _sources.setdefault("assetmill.model.days_left", [])
        if _told_lifetimes not in known:
            known.append(_told_lifetimes)
    flush()


def _told_lifetimes() -> list[Observed]:
    with _guard:
        return list(_lifetimes)


def flush() -> None:
    """Send what is still here; a collector that is away or hangs costs a few seconds and no more."""
    send_rest(opened())


def send_rest(sender: Sender) -> None:
    """Send what is still here, as the last thing that a process does."""
    # The exporters keep to no deadline of ours, and one provider raises where its reader is late.
    thread = threading.Thread(target=_flush, args=(sender,), name="flush-traces", daemon=True)
    thread.start()
    thread.join(_FLUSH_MS / 1000)


def _flush(sender: Sender) -> None:
    for provider in sender.providers:
        try:
            provider.force_flush(_FLUSH_MS)
        except Exception as error:  # the SDK raises plain ones, and nothing is lost but figures
            _log.warning("figures did not reach the collector: %s", error)
