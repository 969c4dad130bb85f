"""A response that was accepted and went wrong: waited out, blocked, read again or told."""

from __future__ import annotations

from typing import Any

import pytest

from assetmill.agents.gateway import Response
from assetmill.errors import (
    AccountBlocked,
    ContainerGone,
    OutputUnusable,
    StageBlocked,
    StageFailed,
)
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from tests.assetmill.stage.processes import RUN, Start
from tests.doubles import Body, ScriptedGateway, always, image_item, message_item, png, stage_call

LIMIT = {"code": "rate_limit_exceeded", "message": "Rate limit reached."}


def answers(gateway: ScriptedGateway, *echoes: Body) -> None:
    """Let each post in turn be echoed so; those after the last as usual."""
    left = list(echoes)

    def before(_: object) -> None:
        gateway.echo = left.pop(0) if left else {}

    gateway.before = before
    accept = gateway.accept

    def accepting(request: Any) -> Response:
        made = accept(request)
        status = str(made.body.get("status"))
        changed = Response(made.response_id, status, made.body, made.rates)
        gateway._responses[made.response_id] = changed  # type: ignore[attr-defined]
        return changed

    gateway.accept = accepting  # type: ignore[method-assign]


def failed(error: object, **fields: object) -> Body:
    return {"status": "failed", "error": error, "output": [], **fields}


@pytest.mark.parametrize(
    ("error", "waited_s"),
    [
        (LIMIT, 20.0),
        ({"code": "server_error", "message": "Rate limit reached. Please try again in 7s."}, 7.0),
        ({"code": None, "message": "Too Many Requests"}, 20.0),
    ],
)
def test_a_limit_that_ends_a_response_is_waited_out_in_a_fresh_conversation(
    process: Start, gateway: ScriptedGateway, error: Body, waited_s: float
) -> None:
    answers(gateway, failed(error))
    services = process()
    began = services.clock()
    record = run_stage(stage_call(), services, RUN)
    assert record.attempt == 2
    assert services.clock() - began >= waited_s
    assert len({post.conversation_id for post in gateway.posts}) == 2


def test_a_limit_that_ends_every_response_is_given_up(process: Start, gateway: ScriptedGateway) -> None:
    answers(gateway, *(failed(LIMIT) for _ in range(9)))
    with pytest.raises(OutputUnusable, match="Rate limit"):
        run_stage(stage_call(), process(), RUN)
    assert len(gateway.posts) == 3


def test_a_limit_keeps_what_the_response_had_drawn(process: Start, gateway: ScriptedGateway) -> None:
    answers(gateway, failed(LIMIT, output=[image_item(png())]))
    services = process()
    run_stage(stage_call(), services, RUN)
    verdict = services.ledger.read_verdict("poster", stage_call().fingerprint, 1)
    assert verdict is not None
    assert [asset.width for asset in verdict.kept] == [64]


@pytest.mark.parametrize(
    ("echo", "scope", "categories"),
    [
        (failed({"code": "content_filter", "message": "no"}), "output", ()),
        (failed({"code": "invalid_prompt", "message": "no"}), "prompt", ()),
        (
            failed({"code": "x", "innererror": {"content_filter_result": {"hate": {"filtered": True}}}}),
            "prompt",
            ("hate",),
        ),
        (
            {
                "status": "incomplete",
                "incomplete_details": {"reason": "content_filter"},
                "output": [],
                "content_filters": [
                    {
                        "blocked": True,
                        "source_type": "completion",
                        "content_filter_results": {"violence": {"filtered": True}},
                    }
                ],
            },
            "output",
            ("violence",),
        ),
        (
            {"output": [], "content_filters": [{"blocked": True, "source_type": "completion"}]},
            "output",
            (),
        ),
    ],
)
def test_moderation_ends_a_response_as_a_block_that_is_sent_once(
    process: Start, gateway: ScriptedGateway, echo: Body, scope: str, categories: tuple[str, ...]
) -> None:
    answers(gateway, echo)
    for _ in range(2):
        with pytest.raises(StageBlocked) as blocked:
            run_stage(stage_call(), process(), RUN)
    assert len(gateway.posts) == 1
    answers(gateway, echo)
    with pytest.raises(StageBlocked) as blocked:
        run_stage(stage_call(), process(), RunId("run-2"))
    assert (blocked.value.scope, blocked.value.categories) == (scope, categories)


def test_a_filter_that_blocked_nothing_asked_for_is_no_failure(
    process: Start, gateway: ScriptedGateway
) -> None:
    answers(gateway, {"content_filters": [{"blocked": True, "source_type": "completion"}]})
    assert run_stage(stage_call(), process(), RUN).attempt == 1


def test_a_block_of_the_account_in_a_response_closes_the_gate(
    process: Start, gateway: ScriptedGateway
) -> None:
    answers(gateway, failed({"code": "x", "message": "Your resource has been temporarily blocked."}))
    services = process()
    services.gate.closes_on_block = True
    with pytest.raises(StageBlocked, match="account"):
        run_stage(stage_call(), services, RUN)
    assert "blocked" in services.gate.refusal(0.0)


def test_a_block_of_the_account_in_a_free_call_closes_the_gate(
    process: Start, gateway: ScriptedGateway
) -> None:
    def refuse(metadata: object) -> str:
        raise AccountBlocked("Your resource has been temporarily blocked", "Forbidden", 403)

    gateway.create_conversation = refuse
    services = process()
    services.gate.closes_on_block = True
    with pytest.raises(StageBlocked):
        run_stage(stage_call(), services, RUN)
    assert "blocked" in services.gate.refusal(0.0)


def test_a_cancelled_response_is_read_again_before_it_is_given_up(
    process: Start, gateway: ScriptedGateway
) -> None:
    reads: list[str] = []
    get = gateway.get_response

    def late(response_id: str) -> Response:
        reads.append(response_id)
        found = get(response_id)
        return Response(found.response_id, "cancelled", {**found.body, "status": "cancelled", "output": []})

    def follow(response_id: str, **_: Any) -> Response:
        return late(response_id)

    gateway.follow_response = follow
    services = process()
    began = services.clock()
    record = run_stage(stage_call(), services, RUN)
    assert record.attempt == 1
    assert len(reads) == 1
    assert services.clock() - began >= 60.0


def test_what_the_model_refused_is_shown(process: Start, gateway: ScriptedGateway) -> None:
    gateway.script = always(
        {"type": "message", "content": [{"type": "refusal", "refusal": "I cannot draw that."}]}
    )
    with pytest.raises(OutputUnusable, match="I cannot draw that"):
        run_stage(stage_call(), process(), RUN)


REFUSED: dict[str, Any] = {
    "type": "message",
    "content": [{"type": "refusal", "refusal": "I cannot speak of that."}],
}
SILENT: dict[str, Any] = {"type": "message", "content": [{"type": "output_text", "text": " "}]}
SEARCHED: dict[str, Any] = {
    "type": "file_search_call",
    "id": "fs_1",
    "status": "completed",
    "queries": [],
    "results": None,
}


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([REFUSED], "said nothing; the agent refused: 'I cannot speak of that.'"),
        ([SEARCHED, REFUSED], "the agent refused: 'I cannot speak of that.'"),
        ([SILENT], "it made nothing and said nothing"),
        ([], "it made nothing and said nothing"),
    ],
)
def test_a_stage_that_asks_for_words_and_gets_none_is_not_done(
    process: Start, gateway: ScriptedGateway, items: list[dict[str, Any]], said: str
) -> None:
    gateway.script = always(*items)
    with pytest.raises((StageFailed, OutputUnusable), match=said):
        run_stage(stage_call(outputs=()), process(), RUN)


def test_work_without_a_word_is_done(process: Start, gateway: ScriptedGateway) -> None:
    gateway.script = always(SEARCHED)
    assert run_stage(stage_call(outputs=()), process(), RUN).text == ""


@pytest.mark.parametrize("ids", [(None, None), ("ig_1", "ig_1"), ("", "ig_2")])
def test_pictures_with_no_id_or_the_same_are_all_kept(
    process: Start, gateway: ScriptedGateway, ids: tuple[str | None, str | None]
) -> None:
    drawn = [png(20 + number, 20) for number in range(2)]
    items = [{**image_item(data), "id": name} for data, name in zip(drawn, ids, strict=True)]
    gateway.script = always(*[{k: v for k, v in item.items() if v is not None} for item in items])
    services = process()
    record = run_stage(stage_call(outputs=()), services, RUN)
    assert {services.blobs.get(asset.blob) for asset in record.outputs} == set(drawn)
    raw = services.ledger.read_raw("poster", record.fingerprint, 1, 1)
    assert all(asset.blob.digest.encode() in raw for asset in record.outputs)
    shared = [asset for asset in record.outputs if asset.handles[0].kind == "image_call"]
    assert len(shared) == (1 if ids == ("", "ig_2") else 0)


def test_a_container_that_ended_between_turns_is_said_and_not_asked_again(
    process: Start, gateway: ScriptedGateway
) -> None:
    def expired(request: Any) -> None:
        if request.metadata["assetmill_turn"] == "2":
            raise ContainerGone("Container is expired.", "", 400)

    call = stage_call(tools=(), outputs=())
    gateway.script = always({"type": "function_call", "call_id": "c", "name": "none", "arguments": "{}"})
    gateway.before = expired
    with pytest.raises(StageFailed, match=r"Container is expired.*run it again"):
        run_stage(call, process(), RUN)
    assert len(gateway.posts) == 1


def test_a_citation_that_names_no_container_is_skipped(process: Start, gateway: ScriptedGateway) -> None:
    note = {"type": "container_file_citation", "file_id": "cfile_1"}
    part = {"type": "output_text", "text": "done", "annotations": [note]}
    gateway.script = always(image_item(png()), {"type": "message", "content": [part]}, message_item("x"))
    assert [a.name for a in run_stage(stage_call(), process(), RUN).outputs] == ["hero.png"]
    with pytest.raises(OutputUnusable):
        run_stage(stage_call(outputs=stage_call().outputs * 2), process(), RUN)
