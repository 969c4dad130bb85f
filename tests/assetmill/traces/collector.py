"""A collector on loopback: it keeps what is sent to it over OTLP, and says what that was."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from assetmill.traces import sending


class Collector(ThreadingHTTPServer):
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: dict[str, list[bytes]] = {"/v1/traces": [], "/v1/metrics": []}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self) -> list[Any]:
        """What came as spans, oldest first."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies["/v1/traces"]]
        found = [
            span
            for one in requests
            for res in one.resource_spans
            for s in res.scope_spans
            for span in s.spans
        ]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def named(self, name: str) -> Any:
        """The one span of that name."""
        (found,) = (span for span in self.spans if span.name == name)
        return found

    def below(self, parent: Any) -> list[Any]:
        """The spans right below one, oldest first."""
        return [span for span in self.spans if span.parent_span_id == parent.span_id]

    @property
    def metrics(self) -> dict[str, Any]:
        """The newest figures by name."""
        requests = [ExportMetricsServiceRequest.FromString(body) for body in self.bodies["/v1/metrics"]]
        scopes = [s for one in requests for res in one.resource_metrics for s in res.scope_metrics]
        return {metric.name: metric for s in scopes for metric in s.metrics}

    def figures(self, name: str) -> dict[tuple[Any, ...], float]:
        """The newest points of a counter or a gauge, by the values of their attributes."""
        metric = self.metrics[name]
        points = getattr(metric, metric.WhichOneof("data")).data_points
        return {
            tuple(value for _, value in sorted(attributes(point).items())): getattr(
                point, point.WhichOneof("value")
            )
            for point in points
        }


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        self.server.bodies[self.path].append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def attributes(of: Any) -> dict[str, Any]:
    """What a span, an event or a point says of itself."""
    return {
        one.key: [each.string_value for each in one.value.array_value.values]
        if one.value.WhichOneof("value") == "array_value"
        else getattr(one.value, one.value.WhichOneof("value"))
        for one in of.attributes
    }


@contextmanager
def collecting(monkeypatch: pytest.MonkeyPatch) -> Generator[Collector]:
    """Let this process send to a collector."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name in ("TRACES_EXPORTER", "METRICS_EXPORTER", "SDK_DISABLED", "SEMCONV_STABILITY_OPT_IN"):
            monkeypatch.delenv(f"OTEL_{name}", raising=False)
        monkeypatch.delenv("TRACEPARENT", raising=False)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.address)
        sending.opened.cache_clear()
        yield server
        sender = sending.opened()
        atexit.unregister(sending.send_rest)
        for provider in sender.providers:
            provider.shutdown()
        sending.opened.cache_clear()
        server.shutdown()
        thread.join()


FAILED = 2
"""The code of a span's status that says so."""
