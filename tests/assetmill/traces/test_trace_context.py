"""The service may join a trace: one header, and nothing else of a request, is changed for it."""

from __future__ import annotations

import httpx2
import pytest
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.rest import HttpRequest

from assetmill.agents.joining import join_azure
from assetmill.traces.runs import traced_run
from tests.assetmill.agents.wire import Wire, body, request, response
from tests.assetmill.traces.collector import Collector


def posted(monkeypatch: pytest.MonkeyPatch) -> httpx2.Request:
    """Post to a service of the test's own, and return what reached it."""
    wire = Wire(monkeypatch)
    wire.on("POST", "/responses", body(response()))
    wire.gateway.create_response(request("background"), lambda _: None)
    return wire.requests[-1]


def test_a_post_carries_the_context_and_is_otherwise_the_same(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with traced_run("card", "run_1"):
        traced = posted(monkeypatch)
    run = collector.named("run card")
    assert traced.headers["traceparent"].startswith(f"00-{run.trace_id.hex()}-{run.span_id.hex()}-")
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    with traced_run("card", "run_1"):
        plain = posted(monkeypatch)
    assert traced.content == plain.content
    assert set(traced.headers) - set(plain.headers) == {"traceparent"}


def test_the_project_client_carries_it_too(collector: Collector) -> None:
    asked = HttpRequest("GET", "https://wire.invalid/agents")
    with traced_run("card", "run_1"):
        join_azure(PipelineRequest(asked, PipelineContext(None)))
    assert collector.named("run card").span_id.hex() in asked.headers["traceparent"]


def test_what_is_asked_for_outside_of_a_trace_has_no_header(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "traceparent" not in posted(monkeypatch).headers
