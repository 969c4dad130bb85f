"""A tool that failed at the service fails its stage, however politely the agent words it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from assetmill.errors import StageError, StageFailed
from assetmill.plan.calls import Acceptance
from assetmill.records import RunId, StageRecord
from assetmill.spec.tools import TOOLS, CodeInterpreter, FileSearch, Mcp
from assetmill.stage.engine import run_stage
from tests.assetmill.agents.workshop import Shop, by_turn
from tests.doubles import Body, message_item, stage_call

RUN = RunId("run-1")
POLITE = message_item("The server could not list its tools, but here is a poem.")


def listed(*tools: str, label: str = "docs", error: Any = None) -> Body:
    return {
        "type": "mcp_list_tools",
        "server_label": label,
        "tools": [{"name": tool} for tool in tools],
        "error": error,
    }


def called(error: Any = None, status: str = "completed", label: str = "docs") -> Body:
    return {"type": "mcp_call", "server_label": label, "name": "search", "status": status, "error": error}


def server(label: str = "docs", **changes: Any) -> Body:
    fields = {"server_label": label, "server_url": f"https://{label}.invalid/mcp", **changes}
    return Mcp.model_validate(fields).wire()


def run(shop: Shop, *items: Body, tools: tuple[Mapping[str, Any], ...], **fields: Any) -> StageRecord:
    shop.gateway.script = by_turn(items)
    return run_stage(stage_call(tools=tools, outputs=(), **fields), shop.process(), RUN)


PROTOCOL = {"type": "mcp_protocol_error", "code": -32600, "message": "no such method"}
OWN = {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "the index is down"}]}
BROKEN: list[tuple[Body, Body, str]] = [
    (server(), listed(error="it answered 502"), "could not list its tools: it answered 502"),
    (server(), listed(error={"code": 504, "message": "no answer in 30 s"}), r"no answer in 30 s \(504\)"),
    (server(), listed(), "offers no tools"),
    (server(), {**listed(), "tools": None}, "offers no tools"),
    (server(), called(PROTOCOL, "failed"), "the call of 'search': no such method"),
    (server(), called(OWN, "failed"), "the call of 'search': the index is down"),
    (server(), called(status="failed"), "the call of 'search' ended failed"),
    (
        CodeInterpreter().wire(),
        {"type": "code_interpreter_call", "status": "failed", "container_id": None},
        "its call ended failed",
    ),
    (
        FileSearch().wire(),
        {"type": "file_search_call", "status": "incomplete", "queries": []},
        "its call ended incomplete",
    ),
]
IDS = [words for _, _, words in BROKEN]


@pytest.mark.parametrize(("tool", "item", "words"), BROKEN, ids=IDS)
def test_a_stage_whose_tool_failed_is_not_done(shop: Shop, tool: Body, item: Body, words: str) -> None:
    with pytest.raises(StageFailed, match=words) as failed:
        run(shop, item, POLITE, tools=(tool,))
    assert "optional: true" in str(failed.value)
    assert "here is a poem" in str(failed.value)
    call = stage_call(tools=(tool,), outputs=())
    assert shop.process().ledger.read_stage(call.pipeline, call.fingerprint) is None


@pytest.mark.parametrize(("tool", "item", "words"), BROKEN, ids=IDS)
def test_an_optional_tool_may_fail(shop: Shop, tool: Body, item: Body, words: str) -> None:
    optional = {**tool, "assetmill": {"optional": True}}
    assert run(shop, item, POLITE, tools=(optional,)).text == POLITE["content"][0]["text"], words


def test_only_the_tool_that_says_so_is_optional(shop: Shop) -> None:
    tools = (server("notes", optional=True), server("docs"))
    with pytest.raises(StageFailed, match="tool mcp 'docs' failed"):
        run(shop, listed(error="gone", label="notes"), listed(error="gone"), POLITE, tools=tools)


def test_what_the_agent_overcame_is_no_failure(shop: Shop) -> None:
    items = (listed(error="busy"), listed("search"), called(OWN, "failed"), called())
    assert run(shop, *items, message_item("found"), tools=(server(),)).text == "found"


def test_an_earlier_turn_counts(shop: Shop) -> None:
    asking = {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "other", "name": "search"}
    shop.gateway.script = by_turn([listed(error="gone"), asking], [POLITE])
    call = stage_call(tools=(server(), server("other", require_approval="never")), outputs=())
    with pytest.raises(StageFailed, match="tool mcp 'docs' failed"):
        run_stage(call, shop.process(), RUN)


def test_a_failed_tool_is_not_met_again_by_another_draw(shop: Shop) -> None:
    with pytest.raises(StageFailed, match="could not list its tools"):
        run(shop, listed(error="gone"), POLITE, tools=(server(),), acceptance=Acceptance(reroll=3))
    assert len(shop.gateway.posts) == 1


def test_an_image_call_that_ended_failed_without_a_word_is_told(shop: Shop) -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "failed", "result": None}
    with pytest.raises(StageError, match="image call refused: it ended failed"):
        run(shop, item, POLITE, tools=stage_call().tools)


@pytest.mark.parametrize("kind", ["mcp", "code_interpreter", "file_search"])
def test_that_a_tool_is_optional_is_for_the_engine_alone(kind: str) -> None:
    """What was written without the word keeps its wire form, and so its fingerprint."""
    needed = {"server_label": "docs", "server_url": "https://docs.invalid"} if kind == "mcp" else {}
    plain = TOOLS[kind].model_validate(needed).wire()
    optional = TOOLS[kind].model_validate({**needed, "optional": True}).wire()
    assert "optional" not in plain
    assert "assetmill" not in plain
    assert optional == {**plain, "assetmill": {"optional": True}}
