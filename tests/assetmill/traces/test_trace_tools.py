"""Tools in a trace: ours with their own times, the service's within their response."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from assetmill.traces.runs import traced_run
from assetmill.traces.tools import tools_in
from tests.assetmill.agents.workshop import Shop, by_turn, function_call, function_tool
from tests.assetmill.traces.collector import FAILED, Collector, attributes
from tests.doubles import message_item, stage_call


def test_a_function_stands_between_the_turns_that_it_ties(collector: Collector, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.gateway.script = by_turn([function_call("stock", {"sku": "lamp"}, "call_7")], [message_item("done")])
    call = stage_call(tools=(function_tool("stock"),), outputs=(), folder=str(tmp_path))
    with closing(shop.backend), traced_run("poster", "run_1"):
        record = run_stage(call, shop.process(), RunId("run_1"))
    stage = collector.named("invoke_agent assetmill-poster-hero")
    first, tool, second = collector.below(stage)
    assert [span.name for span in (first, tool, second)] == [
        f"chat {call.model}",
        "execute_tool stock",
        f"chat {call.model}",
    ]
    assert [attributes(turn)["assetmill.turn"] for turn in (first, second)] == [1, 2]
    assert [attributes(turn)["gen_ai.response.id"] for turn in (first, second)] == [
        made.response_id for made in record.made_by
    ]
    assert attributes(tool)["gen_ai.tool.call.id"] == "call_7"
    assert attributes(tool)["gen_ai.tool.type"] == "function"
    assert first.end_time_unix_nano <= tool.start_time_unix_nano
    assert tool.end_time_unix_nano <= second.start_time_unix_nano
    assert attributes(stage)["gen_ai.usage.input_tokens"] == 200
    assert not any(b"lamp" in body for body in collector.bodies["/v1/traces"])
    assert not [span for span in (first, tool, second) if span.status.code == FAILED]


def test_what_a_model_makes_up_is_no_name_of_a_tool() -> None:
    body: dict[str, Any] = {
        "output": [
            {"type": "function_call", "name": "the prompt was: a canary", "call_id": "c1"},
            {"type": "file_search_call", "id": "fs_1", "status": "completed"},
            {"type": "mcp_call", "id": "m_1", "name": "look_up", "error": {"code": -1}},
            {"type": "computer_call", "call_id": "c2"},
            {"type": "message", "content": []},
            "no item",
        ]
    }
    told = [(tool.name, tool.kind, tool.status, tool.is_ours) for tool in tools_in(body, {"stock"})]
    assert told == [
        ("unknown", "function", "", True),
        ("file_search", "datastore", "completed", False),
        ("look_up", "extension", "failed", False),
        ("computer", "function", "", True),
    ]
