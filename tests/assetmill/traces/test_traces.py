"""What a collector receives of a run, over its own protocol."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from assetmill.errors import AssetmillError, InvalidSettings
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from assetmill.traces import tracing, words
from assetmill.traces.page import tables
from tests.doubles import ScriptedGateway, image_item, png, stage_call
from tests.millworks import painter, services_on, settings_in

PAGE = Path(__file__).parents[3] / "docs" / "traces.md"
PROMPT = "a canary in a prompt"


class Collector(ThreadingHTTPServer):
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: dict[str, list[bytes]] = {"/v1/traces": [], "/v1/metrics": []}

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

    @property
    def metrics(self) -> dict[str, Any]:
        """The newest figures by name."""
        requests = [ExportMetricsServiceRequest.FromString(body) for body in self.bodies["/v1/metrics"]]
        scopes = [s for one in requests for res in one.resource_metrics for s in res.scope_metrics]
        return {metric.name: metric for s in scopes for metric in s.metrics}


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
    return {
        one.key: [each.string_value for each in one.value.array_value.values]
        if one.value.WhichOneof("value") == "array_value"
        else getattr(one.value, one.value.WhichOneof("value"))
        for one in of.attributes
    }


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        tracing.opened.cache_clear()
        yield server
        for provider in tracing.opened()[0]:
            provider.shutdown()
        tracing.opened.cache_clear()
        server.shutdown()
        thread.join()


def services_with(tmp_path: Path, gateway: ScriptedGateway) -> Services:
    return services_on(settings_in(tmp_path), MemoryStore(), gateway)


def trace(services: Services, run_id: str) -> Any:
    call = stage_call(prompt=PROMPT)
    with tracing.traced_run("poster", run_id):
        return tracing.traced_stage(call, run_id, lambda: run_stage(call, services, RunId(run_id)))


def test_a_run_is_one_trace_with_what_it_cost(collector: Collector, tmp_path: Path) -> None:
    services = services_with(tmp_path, painter())
    record = trace(services, "run_1")
    spans = {span.name: span for span in collector.spans}
    run, stage = spans["run poster"], spans["invoke_agent hero"]
    response = spans[f"chat {record.made_by[0].model}"]
    assert len({span.trace_id for span in spans.values()}) == 1
    assert (stage.parent_span_id, response.parent_span_id) == (run.span_id, stage.span_id)
    told = attributes(stage)
    assert told["assetmill.fingerprint"] == record.fingerprint
    assert told["assetmill.cost_usd"] == record.cost_usd
    assert told["assetmill.assets"] == [asset.asset_id for asset in record.outputs]
    assert attributes(response)["gen_ai.response.id"] == record.made_by[0].response_id
    assert [event.name for event in stage.events] == ["assetmill.started", "assetmill.created"]
    (spent,) = collector.metrics["assetmill.spend"].sum.data_points
    assert spent.as_double == record.cost_usd


def test_what_is_reused_costs_nothing_again(collector: Collector, tmp_path: Path) -> None:
    services = services_with(tmp_path, painter())
    record = trace(services, "run_1")
    trace(services, "run_2")
    again = attributes(collector.spans[-1])
    assert again["assetmill.reused"] is True
    assert "assetmill.cost_usd" not in again
    (spent,) = collector.metrics["assetmill.spend"].sum.data_points
    assert spent.as_double == record.cost_usd


def test_a_local_stage_has_no_words_of_models(collector: Collector, tmp_path: Path) -> None:
    call = stage_call(tools=(), outputs=(), making=({"name": "x.txt"},))
    with pytest.raises(AssetmillError), tracing.traced_run("poster", "run_1"):
        tracing.traced_stage(call, "run_1", refuse)
    stage = next(span for span in collector.spans if span.name == "make hero")
    assert not [name for name in attributes(stage) if name.startswith("gen_ai.")]


def refuse() -> Any:
    raise InvalidSettings("there is no such thing")


def test_a_failure_is_named(collector: Collector, tmp_path: Path) -> None:
    services = services_with(tmp_path, ScriptedGateway(lambda _: [image_item(png(64, 64))][:0]))
    with pytest.raises(AssetmillError) as failed:
        trace(services, "run_1")
    stage = next(span for span in collector.spans if span.name == "invoke_agent hero")
    assert attributes(stage)["error.type"] == type(failed.value).__name__


def test_no_prompt_leaves_and_every_name_is_in_the_table(collector: Collector, tmp_path: Path) -> None:
    trace(services_with(tmp_path, painter()), "run_1")
    assert not any(PROMPT.encode() in body for bodies in collector.bodies.values() for body in bodies)
    named = {name for span in collector.spans for name in attributes(span)}
    assert named - set(words.ATTRIBUTES) == {words.provider(words.CONVENTION)}
    assert set(collector.metrics) == set(words.METRICS)


def test_an_older_convention_can_be_chosen(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSETMILL_GENAI_CONVENTION", "1.36")
    trace(services_with(tmp_path, painter()), "run_1")
    assert "gen_ai.system" in {name for span in collector.spans for name in attributes(span)}


def test_an_unknown_convention_is_refused_before_anything_is_spent(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSETMILL_GENAI_CONVENTION", "9.9")
    gateway = painter()
    with pytest.raises(InvalidSettings, match=r"9\.9"):
        trace(services_with(tmp_path, gateway), "run_1")
    assert gateway.posts == []


def test_without_an_address_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    tracing.opened.cache_clear()
    trace(services_with(tmp_path, painter()), "run_1")
    assert tracing.opened.cache_info().currsize == 0


def test_the_page_has_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8").endswith(f"\n{tables()}")
