"""The collector and the dashboard ask for what is there: parts of a collector, figures that are sent."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from assetmill.traces import words

ROOT = Path(__file__).parents[2] / "deployments"
PARTS = {
    "receivers": {"otlp", "prometheus", "nop"},
    "processors": {"batch", "memory_limiter", "attributes", "resource", "span", "filter"},
    "exporters": {"debug", "file", "nop", "otlp", "otlphttp", "prometheus", "prometheusremotewrite"},
    "extensions": {"health_check", "pprof", "zpages"},
}
"""Of those in the image `otel/opentelemetry-collector`, by its manifest."""

_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "up_down": ("",)}


def names_of(name: str, metric: words.Metric) -> set[str]:
    """Return how Prometheus names a metric: units in braces count nothing, nor does one that the name has."""
    plain = name.replace(".", "_")
    unit = {"s": "seconds", "d": "days"}.get(metric.unit, "")
    whole = plain if not unit or unit in plain.split("_") else f"{plain}_{unit}"
    return {whole + suffix for suffix in _SUFFIXES.get(metric.kind, ("_bucket", "_sum", "_count"))}


@pytest.fixture
def queries() -> list[str]:
    dashboard = json.loads((ROOT / "grafana" / "assetmill.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_every_figure_of_the_dashboard_is_sent_and_every_one_that_is_sent_is_shown(
    queries: list[str],
) -> None:
    known = {each: name for name, one in words.METRICS.items() for each in names_of(name, one)}
    labels = {name.replace(".", "_") for name in words.ATTRIBUTES}
    asked = {word for query in queries for word in re.findall(r"\b(?:assetmill|gen_ai)_\w+", query)}
    assert asked - labels - set(known) == set()
    assert {known[word] for word in asked & set(known)} == set(words.METRICS)


def test_the_collector_has_every_part_that_its_file_names() -> None:
    config: dict[str, Any] = yaml.safe_load((ROOT / "collector.yaml").read_text(encoding="utf-8"))
    for kind, known in PARTS.items():
        assert set(config[kind]) <= known
    service = config["service"]
    assert set(service["extensions"]) == set(config["extensions"])
    assert set(service["pipelines"]) == {"traces", "metrics"}
    for kind in ("receivers", "processors", "exporters"):
        used = {part for pipeline in service["pipelines"].values() for part in pipeline[kind]}
        assert used == set(config[kind])


def test_the_collector_listens_where_the_workers_are_told_to_send() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    config: dict[str, Any] = yaml.safe_load((ROOT / "collector.yaml").read_text(encoding="utf-8"))
    http = config["receivers"]["otlp"]["protocols"]["http"]
    assert http["endpoint"].endswith(":4318")
    collector = compose["services"]["collector"]
    assert collector["profiles"] == ["observe"]
    assert collector["volumes"] == ["./collector.yaml:/etc/collector.yaml:ro"]
    (variable,) = re.findall(r"\$\{env:(\w+)\}", json.dumps(config))
    assert variable in collector["environment"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in compose["services"]["worker-1"]["environment"]
