"""What a collector receives of a run, over its own protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, server_attributes

from assetmill.errors import AssetmillError, InvalidSettings, Rejected, Throttled
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from assetmill.traces import sending, switch, words
from assetmill.traces.page import tables
from assetmill.traces.runs import RowSpan, traced_run
from assetmill.traces.stages import traced_stage
from tests.assetmill.traces.collector import FAILED, Collector, attributes
from tests.doubles import ScriptedGateway, image_item, png, stage_call
from tests.millworks import painter, services_on, settings_in

PAGE = Path(__file__).parents[3] / "docs" / "traces.md"
PROMPT = "a canary in a prompt"
STAGE = "invoke_agent assetmill-poster-hero"


def services_with(tmp_path: Path, gateway: ScriptedGateway) -> Services:
    return services_on(settings_in(tmp_path), MemoryStore(), gateway)


def trace(services: Services, run_id: str, parent: str = "", **changes: Any) -> Any:
    call = stage_call(prompt=PROMPT, **changes)
    with traced_run("poster", run_id, parent):
        return run_stage(call, services, RunId(run_id))


def test_a_run_is_one_trace_with_what_it_cost(collector: Collector, tmp_path: Path) -> None:
    record = trace(services_with(tmp_path, painter()), "run_1")
    run, stage = collector.named("run poster"), collector.named(STAGE)
    response = collector.named(f"chat {record.made_by[0].model}")
    tool = collector.named("execute_tool image_generation")
    assert len({span.trace_id for span in collector.spans}) == 1
    assert [span.parent_span_id for span in (stage, response, tool)] == [
        run.span_id,
        stage.span_id,
        response.span_id,
    ]
    told = attributes(stage)
    assert told["assetmill.fingerprint"] == record.fingerprint
    assert told["assetmill.cost_usd"] == record.cost_usd
    assert told["assetmill.assets"] == [asset.asset_id for asset in record.outputs]
    assert told["gen_ai.agent.name"] == record.made_by[0].agent_name
    assert attributes(response)["gen_ai.response.id"] == record.made_by[0].response_id
    assert attributes(tool)["gen_ai.tool.type"] == "extension"
    assert [event.name for event in stage.events] == ["assetmill.started", "assetmill.created"]
    assert stage.start_time_unix_nano <= response.start_time_unix_nano
    assert response.end_time_unix_nano <= stage.end_time_unix_nano
    assert list(collector.figures("assetmill.spend").values()) == [record.cost_usd]


def test_what_is_reused_costs_nothing_again(collector: Collector, tmp_path: Path) -> None:
    services = services_with(tmp_path, painter())
    record = trace(services, "run_1")
    trace(services, "run_2")
    again = attributes(collector.spans[-1])
    assert again["assetmill.reused"] is True
    assert "assetmill.cost_usd" not in again
    assert collector.below(collector.spans[-1]) == []
    assert list(collector.figures("assetmill.spend").values()) == [record.cost_usd]


def test_what_a_run_looks_at_twice_is_paid_and_told_once(collector: Collector, tmp_path: Path) -> None:
    services = services_with(tmp_path, painter())
    record = trace(services, "run_1")
    trace(services, "run_1")
    assert list(collector.figures("assetmill.spend").values()) == [record.cost_usd]
    assert len([span for span in collector.spans if span.name.startswith("chat ")]) == 1


def test_a_local_stage_has_no_words_of_models(collector: Collector, tmp_path: Path) -> None:
    call = stage_call(tools=(), outputs=(), making=({"name": "x.txt"},))
    services = services_with(tmp_path, painter())
    with pytest.raises(AssetmillError), traced_run("poster", "run_1"):
        traced_stage(call, "agent", "run_1", services.ledger, refuse)
    stage = collector.named("make hero")
    assert not [name for name in attributes(stage) if name.startswith("gen_ai.")]
    assert stage.status.code == FAILED


def refuse() -> Any:
    raise InvalidSettings("there is no such thing")


def test_a_failure_is_named_and_its_words_stay_here(collector: Collector, tmp_path: Path) -> None:
    gateway = painter()
    gateway.before = lambda _: raise_once(Rejected(f"no: {PROMPT!r} will not do", "bad", 400))
    with pytest.raises(AssetmillError) as failed:
        trace(services_with(tmp_path, gateway), "run_1")
    stage, response = collector.named(STAGE), collector.named(f"chat {stage_call().model}")
    assert attributes(stage)["error.type"] == type(failed.value).__name__
    assert (attributes(response)["error.type"], attributes(response)["assetmill.verdict"]) == (
        "Rejected",
        "failed",
    )
    assert (stage.status.code, response.status.code) == (FAILED, FAILED)
    assert PROMPT in str(failed.value)
    assert not any(PROMPT.encode() in body for bodies in collector.bodies.values() for body in bodies)


def raise_once(error: Exception) -> None:
    raise error


def test_no_prompt_leaves_and_every_name_is_in_the_table(collector: Collector, tmp_path: Path) -> None:
    trace(services_with(tmp_path, painter()), "run_1")
    assert not any(PROMPT.encode() in body for bodies in collector.bodies.values() for body in bodies)
    told = [*collector.spans, *(event for span in collector.spans for event in span.events)]
    assert {name for one in told for name in attributes(one)} <= set(words.ATTRIBUTES)
    assert set(collector.metrics) <= set(words.METRICS)


def test_prompts_leave_where_somebody_allows_it(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    trace(services_with(tmp_path, painter()), "run_1")
    (message,) = json.loads(attributes(collector.named(STAGE))["gen_ai.input.messages"])
    assert message == {"role": "user", "parts": [{"type": "text", "content": PROMPT}]}


@pytest.mark.parametrize(
    ("named", "has", "lacks", "root"),
    [
        ({}, "gen_ai.provider.name", {"gen_ai.system", "gen_ai.agent.version"}, "run poster"),
        ({"ASSETMILL_GENAI_CONVENTION": "1.36"}, "gen_ai.system", {"gen_ai.provider.name"}, "run poster"),
        (
            {"OTEL_SEMCONV_STABILITY_OPT_IN": "http,gen_ai_latest_experimental"},
            "gen_ai.agent.version",
            {"gen_ai.system"},
            "invoke_workflow poster",
        ),
    ],
)
def test_the_version_of_the_conventions_is_chosen(
    named: dict[str, str],
    has: str,
    lacks: set[str],
    *,
    root: str,
    collector: Collector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    trace(services_with(tmp_path, painter()), "run_1")
    told = {name for span in collector.spans for name in attributes(span)}
    assert has in told
    assert not lacks & told
    assert collector.named(root)


def test_an_unknown_convention_is_refused_before_anything_is_spent(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSETMILL_GENAI_CONVENTION", "9.9")
    gateway = painter()
    with pytest.raises(InvalidSettings, match=r"9\.9"):
        trace(services_with(tmp_path, gateway), "run_1")
    assert gateway.posts == []


def test_every_word_of_the_conventions_is_one_of_theirs() -> None:
    """The registry that OpenTelemetry generates its own package from is the witness."""
    theirs = {
        value
        for module in (gen_ai_attributes, server_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    ours = {name for name in words.ATTRIBUTES if name.startswith(("gen_ai.", "server."))}
    assert ours - theirs == set()
    operations = {one.value for one in vars(gen_ai_attributes)["GenAiOperationNameValues"]}
    named = {name.partition(" ")[0] for name in words.SPANS}
    assert named - operations == {"run", "batch", "shard", "row", "draw", "make", "wait"}


def test_a_trace_goes_on_where_another_program_began_it(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    monkeypatch.setenv("TRACEPARENT", theirs.replace("0af7", "ffff"))
    trace(services_with(tmp_path, painter()), "run_1", parent=theirs)
    run = collector.named("run poster")
    assert (run.trace_id.hex(), run.parent_span_id.hex()) == tuple(theirs.split("-")[1:3])


def test_a_row_ends_when_it_is_over_and_not_when_its_group_is_told(collector: Collector) -> None:
    row = RowSpan(7, "batch_1")
    row.over()
    over_ns = time.time_ns()
    row.end("failed")
    sending.flush()
    told = collector.named("row 7")
    assert told.end_time_unix_nano <= over_ns
    assert (told.status.code, attributes(told)["assetmill.outcome"]) == (FAILED, "failed")


def test_without_an_address_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "TRACES_", "METRICS_"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT", raising=False)
    sending.opened.cache_clear()
    trace(services_with(tmp_path, painter()), "run_1")
    assert sending.opened.cache_info().currsize == 0


def test_nothing_of_it_is_imported_by_whoever_sends_nothing() -> None:
    code = (
        "import sys\nimport assetmill.stage.engine\n"
        "from assetmill.traces.runs import RowSpan, traced_run\n"
        "with traced_run('card', 'run_1'): RowSpan(1, 'batch_1').end('done')\n"
        "sys.exit(any(name.partition('.')[0] == 'opentelemetry' for name in sys.modules))"
    )
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    assert subprocess.run([sys.executable, "-c", code], env=quiet, check=False).returncode == 0


def test_an_address_does_nothing_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster may set the address for all that runs there."""
    address = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    assert switch.is_on(address)
    switch.is_installed.cache_clear()
    monkeypatch.setattr(switch, "_EXPORTER", "no_such_distribution.exporter")
    assert not switch.is_on(address)
    switch.is_installed.cache_clear()


@pytest.mark.parametrize(
    "off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}]
)
def test_the_usual_variables_turn_it_off(off: dict[str, str]) -> None:
    assert not switch.is_on({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", **off})


def test_an_address_for_spans_alone_sends_no_figures(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an address of its own an exporter would try this machine."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.address}/v1/traces")
    trace(services_with(tmp_path, painter()), "run_1")
    assert collector.named("run poster")
    _, figures = sending.opened().providers
    assert list(figures._metric_readers) == []


def test_a_collector_that_is_gone_costs_a_run_nothing_but_its_trace(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_FLUSH_MS", 200)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert trace(services_with(tmp_path, painter()), "run_1").outputs
    assert collector.spans == []


def test_the_page_has_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8").endswith(f"\n{tables()}")


def test_attempts_turns_and_waits_are_told(collector: Collector, tmp_path: Path) -> None:
    gateway, refusals = ScriptedGateway(lambda _: [image_item(png(1024, 1024))]), [1, 1]

    def before(_: Any) -> None:
        if refusals:
            refusals.pop()
            raise Throttled("slow down", "rate_limit", 429, 0.01)

    gateway.before = before
    record = trace(services_with(tmp_path, gateway), "run_1")
    stage = collector.named(STAGE)
    turns = [span for span in collector.below(stage) if span.name.startswith("chat ")]
    assert [attributes(turn).get("assetmill.verdict") for turn in turns] == ["refused", "refused", None]
    assert ["gen_ai.response.id" in attributes(turn) for turn in turns] == [False, False, True]
    assert (record.attempt, attributes(stage)["assetmill.attempts"]) == (3, 3)
    waits = [span for span in collector.below(stage) if span.name.startswith("wait ")]
    assert {attributes(span)["assetmill.wait.for"] for span in waits} <= {"quota", "retry"}
    assert len(waits) >= 2
    assert sorted(collector.figures("assetmill.attempts").values()) == [1, 2]
    assert set(collector.figures("assetmill.stages.waiting").values()) == {0}
