"""Functions that agents call: whatever they are given, the agent gets an answer and the stage goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assetmill.agents.functions import load_function, start_function
from assetmill.errors import InvalidInput, StageFailed
from assetmill.records import RunId, StageRecord
from assetmill.spec.functions import find_function
from assetmill.stage.engine import run_stage
from tests.assetmill.agents.workshop import Shop, by_turn, function_call, function_tool, outputs_of
from tests.doubles import Body, message_item, stage_call

RUN = RunId("run-1")


def run(shop: Shop, *turns: list[Body], tools: tuple[Body, ...], **fields: Any) -> StageRecord:
    shop.gateway.script = by_turn(*turns, [message_item("done")])
    call = stage_call(tools=tools, outputs=(), folder=str(shop.folder), **fields)
    return run_stage(call, shop.process(), RUN)


def ran(shop: Shop) -> list[str]:
    return (shop.folder / "ran.txt").read_text().split()


def called(reference: str, folder: Path, arguments: str = "{}") -> str:
    return start_function(load_function(reference, folder), arguments).output() or ""


def test_the_schema_comes_from_the_annotations(shop: Shop) -> None:
    loaded = load_function("shop:stock", shop.folder)
    assert loaded.schema == {
        "type": "object",
        "properties": {
            "sku": {"title": "Sku", "type": "string"},
            "unit": {"enum": ["pieces", "boxes"], "title": "Unit", "type": "string"},
        },
        "required": ["sku"],
        "additionalProperties": False,
    }
    assert loaded.description == "Say how many of an article are in stock."
    assert not loaded.is_strict
    assert load_function("shop:price", shop.folder).is_strict


def test_the_agent_gets_what_the_function_returns(shop: Shop) -> None:
    record = run(shop, [function_call("stock", {"sku": "lamp"})], tools=(function_tool("stock"),))
    assert outputs_of(shop.gateway.posts[1]) == [{"sku": "lamp", "count": 7, "unit": "pieces"}]
    assert (record.text, record.turns, len(record.made_by)) == ("done", 2, 2)


def test_calls_of_one_turn_run_at_once_and_are_answered_in_order(shop: Shop) -> None:
    pairs = [("salt", "pepper"), ("pepper", "salt")] * 3
    calls = [
        function_call("meet", {"me": f"{me}-{n // 2}", "other": f"{other}-{n // 2}"}, f"call_{n}")
        for n, (me, other) in enumerate(pairs)
    ]
    run(shop, calls, tools=(function_tool("meet", timeout_s=30.0),))
    # Each waits until its other has begun.
    assert outputs_of(shop.gateway.posts[1]) == [
        f"met {other}-{n // 2}" for n, (_, other) in enumerate(pairs)
    ]
    assert [item["call_id"] for item in shop.gateway.posts[1].input] == [f"call_{n}" for n in range(6)]


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "words"),
    [
        ("broken", {"sku": "x"}, "LookupError", "no x"),
        ("leaving", {"sku": "x"}, "SystemExit", "3"),
        ("stock", {"sku": "x", "unit": "miles"}, "invalid_arguments", "unit: Input should be"),
        ("stock", {}, "invalid_arguments", "sku: Field required"),
        ("stock", {"sku": "x", "other": 1}, "invalid_arguments", "other: Extra inputs"),
        ("stock", "[1, 2", "invalid_arguments", "Invalid JSON"),
        ("endless", {"sku": "x"}, "output_too_long", "300000 characters"),
        ("nothing", {}, "unknown_function", "there is no function 'nothing'"),
        ("slow", {"sku": "x"}, "timeout", "no result within 0.05 s"),
    ],
)
def test_what_goes_wrong_in_a_call_is_told_to_the_agent(
    shop: Shop, name: str, arguments: Any, kind: str, words: str
) -> None:
    names = ("stock", "broken", "leaving", "endless", "slow")
    tools = tuple(function_tool(tool, timeout_s=0.05 if tool == "slow" else 5.0) for tool in names)
    record = run(shop, [function_call(name, arguments)], tools=tools)
    (output,) = outputs_of(shop.gateway.posts[1])
    assert output["error"]["type"] == kind
    assert words in output["error"]["message"]
    assert record.text == "done"


def test_a_result_that_is_no_json_is_an_error_of_the_function(shop: Shop) -> None:
    output = json.loads(called("shop:odd", shop.folder))
    assert output["error"]["type"] == "TypeError"


def test_an_async_function_is_awaited(shop: Shop) -> None:
    assert called("shop:price", shop.folder, '{"sku": "a"}') == "a costs 9 dollars"


def test_a_function_is_not_run_again_after_a_crash(shop: Shop) -> None:
    class Crash(BaseException):
        pass

    def die(request: object) -> None:
        if len(shop.gateway.posts) == 1:
            shop.gateway.before = lambda _: None
            raise Crash

    shop.gateway.before = die
    with pytest.raises(Crash):
        run(shop, [function_call("stock", {"sku": "once"})], tools=(function_tool("stock"),))
    # The worker died after it had stored its answers, before it said what it would post.
    (intent,) = [e.key for e in shop.backend.list("v1/i/") if e.key.endswith(".002")]
    shop.backend.delete(intent)
    run(shop, [function_call("stock", {"sku": "once"})], tools=(function_tool("stock"),))
    assert ran(shop) == ["once"]
    assert len(shop.gateway.posts) == 2


def test_more_calls_than_allowed_are_refused_and_then_end_the_stage(shop: Shop) -> None:
    again = [function_call("stock", {"sku": "a"}, "call_1"), function_call("stock", {"sku": "b"}, "call_2")]
    with pytest.raises(StageFailed, match="still asks for tools after 3 calls"):
        run(shop, again, again, again, again, tools=(function_tool("stock"),), max_tool_calls=3)
    assert outputs_of(shop.gateway.posts[2])[1]["error"]["type"] == "too_many_calls"
    assert len(shop.gateway.posts) == 3


def test_an_agent_that_never_stops_asking_is_stopped(shop: Shop) -> None:
    asking = [function_call("stock", {"sku": "a"})]
    with pytest.raises(StageFailed, match="after 32 turns"):
        run(shop, *[asking] * 40, tools=(function_tool("stock"),))
    assert len(shop.gateway.posts) == 32


def test_what_the_stage_does_not_offer_fails_it_with_a_verdict(shop: Shop) -> None:
    item = {"type": "computer_call", "call_id": "c", "action": {"type": "screenshot"}}
    with pytest.raises(StageFailed, match="computer_call, which it was not offered"):
        run(shop, [item], tools=(function_tool("stock"),))
    assert [entry.key for entry in shop.backend.list("v1/x/")] != []


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("nowhere_at_all:f", "no module 'nowhere_at_all'"),
        ("shop:missing", "defines no function 'missing'; it has broken, endless"),
        ("shop:untyped", "parameter 'sku' of 'untyped'"),
        ("shop:wide", "takes \\*args"),
        ("damaged:f", "cannot read module 'damaged'"),
        ("raising:f", "cannot import 'raising:f'"),
    ],
)
def test_a_bad_reference_is_named_before_any_spend(shop: Shop, reference: str, words: str) -> None:
    (shop.folder / "damaged.py").write_bytes(b"def f(:\n\0")
    (shop.folder / "raising.py").write_text("1/0\ndef f(a: int) -> int: return a\n")
    tool = {"type": "function", "name": "f", "assetmill": {"function": reference, "timeout_s": 1}}
    with pytest.raises(InvalidInput, match=words):
        run(shop, tools=(tool,))
    assert shop.gateway.conversations == {}


def test_two_folders_may_have_modules_of_one_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tools.py").write_text(f"def who() -> str:\n    return {name!r}\n")
    answers = [called("tools:who", tmp_path / name) for name in ("one", "two")]
    assert answers == ["one", "two"]


def test_a_plan_finds_an_installed_function_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "warehouse"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "shelves.py").write_text("def count(row: int) -> int:\n    return row\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    found = find_function("warehouse.shelves:count", tmp_path)
    assert (found.path, found.is_local) == (package / "shelves.py", False)
    with pytest.raises(InvalidInput, match="imported"):
        load_function("warehouse.shelves:count", tmp_path)


def test_a_stage_of_several_turns_began_with_its_first(shop: Shop) -> None:
    calls = [function_call("slow", {"sku": "x"})]
    record = run(shop, calls, calls, tools=(function_tool("slow"),))
    assert record.finished_at - record.started_at >= 0.3
