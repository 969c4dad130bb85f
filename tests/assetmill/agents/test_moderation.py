"""What moderation refuses, by stage and category; and the last partial picture of one that never came."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from assetmill.agents.foundry_errors import translate
from assetmill.errors import OutputUnusable, StageBlocked
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from tests.assetmill.agents.workshop import Shop, by_turn
from tests.doubles import Body, image_item, message_item, png, stage_call

RUN = RunId("run-1")


def refused(stage: str, *categories: str, call_id: str = "ig_9") -> Body:
    details = {"moderation_stage": stage, "categories": list(categories)}
    error: dict[str, Any] = {"code": "moderation_blocked", "message": "not allowed"}
    error |= {"moderation_details": details, "type": "image_generation_user_error"}
    return {
        "type": "image_generation_call",
        "id": call_id,
        "status": "failed",
        "result": None,
        "error": error,
    }


@pytest.mark.parametrize(
    ("stage", "scope"), [("input", "prompt"), ("output", "output"), ("unknown", "output")]
)
def test_a_refused_picture_is_a_block_with_stage_and_categories(shop: Shop, stage: str, scope: str) -> None:
    shop.gateway.script = by_turn([refused(stage, "violence", "self-harm"), message_item("I cannot.")])
    with pytest.raises(StageBlocked, match="violence") as blocked:
        run_stage(stage_call(), shop.process(), RUN)
    assert (blocked.value.scope, blocked.value.categories) == (scope, ("self-harm", "violence"))
    assert len(shop.gateway.posts) == 1


def test_a_refusal_without_details_is_a_block_too(shop: Shop) -> None:
    item = refused("output")
    item["error"] = {"code": "contentFilter", "message": "filtered"}
    shop.gateway.script = by_turn([item])
    with pytest.raises(StageBlocked) as blocked:
        run_stage(stage_call(), shop.process(), RUN)
    assert blocked.value.categories == ()


def test_a_refusal_that_the_agent_overcame_is_none(shop: Shop) -> None:
    shop.gateway.script = by_turn([refused("input", "violence"), image_item(png(), "ig_2")])
    record = run_stage(stage_call(), shop.process(), RUN)
    assert [asset.name for asset in record.outputs] == ["hero.png"]


def test_the_last_frame_of_a_picture_that_never_came_is_kept(shop: Shop) -> None:
    shop.gateway.script = by_turn([message_item("I stopped.")])
    services, call = shop.process(), stage_call()
    with pytest.raises(OutputUnusable):
        run_stage(call, services, RUN)
    attempt = services.ledger.newest_attempt(call.pipeline, call.fingerprint)
    assert attempt is not None
    assert attempt.verdict is not None
    (frame,) = attempt.verdict.kept
    assert (frame.role, frame.name, frame.width) == ("frame", "last-frame.png", 8)


def test_frames_of_a_picture_that_came_are_not_kept(shop: Shop) -> None:
    shop.gateway.script = by_turn([image_item(png())])
    record = run_stage(stage_call(), shop.process(), RUN)
    assert [asset.role for asset in record.outputs] == ["output"]


@pytest.mark.parametrize(
    ("body", "categories"),
    [
        (
            {
                "innererror": {
                    "content_filter_result": {"hate": {"filtered": True}, "sexual": {"filtered": False}}
                }
            },
            ("hate",),
        ),
        ({"moderation_details": {"categories": ["violence", "hate"]}}, ("hate", "violence")),
        ({"innererror": {"content_filter_result": [1]}}, ()),
        ({}, ()),
    ],
)
def test_a_refused_prompt_keeps_the_service_s_categories(
    shop: Shop, body: Body, categories: tuple[str, ...]
) -> None:
    reply = httpx2.Response(400, request=httpx2.Request("POST", "https://scripted.invalid"))
    error = openai.BadRequestError("no", response=reply, body={"code": "content_filter", **body})

    def refuse(_: object) -> None:
        raise translate(error, spending=True)

    shop.gateway.before = refuse
    with pytest.raises(StageBlocked, match="moderation refused the prompt") as blocked:
        run_stage(stage_call(), shop.process(), RUN)
    assert (blocked.value.scope, blocked.value.categories) == ("prompt", categories)
    assert shop.gateway.posts == []
