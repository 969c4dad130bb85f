"""One meaning in many shapes: what the service's errors say, and what that is to whoever posted."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from assetmill.agents.foundry_errors import from_event, translate
from assetmill.agents.wording import duration_s, read_wording
from assetmill.errors import (
    AccountBlocked,
    ContainerGone,
    ConversationGone,
    HandleExpired,
    OutcomeUnknown,
    PromptBlocked,
    QuotaExhausted,
    Rejected,
    ServiceError,
    Throttled,
)
from tests.assetmill.agents.test_foundry_errors import REQUEST, status_error

FILTERS = [
    {
        "blocked": True,
        "source_type": "prompt",
        "content_filter_results": {
            "jailbreak": {"detected": True, "filtered": True},
            "hate": {"filtered": False, "severity": "safe"},
        },
    }
]
BLOCKED_RESOURCE = "Your resource has been temporarily blocked because we detected"


def posted(status: int, error: dict[str, Any], headers: dict[str, str] | None = None) -> ServiceError:
    """What a POST's refusal is to the engine."""
    found = translate(status_error(status, {"error": error}, headers), spending=True)
    assert isinstance(found, ServiceError)
    return found


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, {"code": "Forbidden", "message": f"{BLOCKED_RESOURCE} unusual behavior."}),
        (403, {"message": f"{BLOCKED_RESOURCE} behavior that may violate our content policy."}),
        (403, {"code": "Forbidden", "message": "We saw unusual behavior."}),
        (400, {"code": "content_filter", "message": f"{BLOCKED_RESOURCE} abuse."}),
        (429, {"code": "429", "message": f"{BLOCKED_RESOURCE} unusual behavior."}),
        (400, {"message": json.dumps({"error": {"message": f"{BLOCKED_RESOURCE} unusual behavior."}})}),
    ],
)
def test_a_block_of_the_account_is_told_by_its_words_and_status(status: int, error: dict[str, Any]) -> None:
    assert type(posted(status, error)) is AccountBlocked


@pytest.mark.parametrize(
    ("error", "categories"),
    [
        ({"code": "invalid_prompt", "message": "flagged as potentially violating our usage policy"}, ()),
        ({"code": "BadRequest", "message": "no", "innererror": {"code": "ContentFiltered"}}, ()),
        ({"code": "content_filter", "message": "no", "content_filters": FILTERS}, ("jailbreak",)),
        ({"code": None, "message": "no", "content_filters": FILTERS}, ("jailbreak",)),
        (
            {"message": "no", "inner_error": {"content_filter_results": {"hate": {"filtered": True}}}},
            ("hate",),
        ),
        ({"message": "Your request was rejected by the safety system."}, ()),
        ({"message": "prompt triggered the content management policy"}, ()),
        ({"code": "x", "innererror": {"innererror": {"code": "ResponsibleAIPolicyViolation"}}}, ()),
    ],
)
def test_moderation_in_any_form_is_a_block(error: dict[str, Any], categories: tuple[str, ...]) -> None:
    found = posted(400, error)
    assert type(found) is PromptBlocked
    assert found.categories == categories


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, {"code": "RateLimitReached", "message": "x"}),
        (429, {"code": "EngineOverloaded", "message": "x"}),
        (
            400,
            {"code": "BadRequest", "message": "The engine is currently overloaded, please try again later"},
        ),
        (400, {"code": "too_many_requests", "message": "x"}),
        (403, {"type": "rate_limit_exceeded", "message": "x"}),
    ],
)
def test_a_limit_in_any_form_is_waited_for(status: int, error: dict[str, Any]) -> None:
    assert type(posted(status, error)) is Throttled


def test_a_gateway_s_own_limit_is_one() -> None:
    error = status_error(
        429, {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 5 seconds."}
    )
    found = translate(error, spending=True)
    assert isinstance(found, Throttled)
    assert found.retry_after_s == 5.0


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached"])
@pytest.mark.parametrize("status", [429, 403])
def test_no_money_left_is_no_limit_that_passes(status: int, code: str) -> None:
    assert type(posted(status, {"code": code, "message": "x"})) is QuotaExhausted


@pytest.mark.parametrize(
    ("headers", "message", "expected"),
    [
        ({}, "Please retry after 16 seconds. To increase your default limit, visit", 16.0),
        ({}, "Please retry after 86400 seconds.", 86_400.0),
        ({}, "Please retry after 1 second(s).", 1.0),
        ({}, "Please try again in 1m30s.", 90.0),
        ({}, "Please try again in 20ms.", 0.02),
        ({}, "Too Many Requests", None),
        ({}, "retry later; version 2025", None),
        ({"retry-after": "0"}, "Please retry after 16 seconds.", 16.0),
        ({"retry-after": "0.0"}, "no", None),
        ({"retry-after": "7"}, "Please retry after 16 seconds.", 7.0),
        ({"x-ratelimit-reset-tokens": "59.7s"}, "no", 59.7),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-reset-requests": "1s"}, "no", 360.0),
        (
            {
                "x-ratelimit-reset-tokens": "50s",
                "x-ratelimit-remaining-tokens": "900",
                "x-ratelimit-reset-requests": "9s",
                "x-ratelimit-remaining-requests": "0",
            },
            "no",
            9.0,
        ),
        ({"x-ratelimit-reset-tokens": "0", "x-ratelimit-limit-tokens": "-1"}, "no", None),
        ({"x-ratelimit-reset-tokens": "-1"}, "no", None),
        ({"x-ratelimit-reset-tokens": "soon"}, "no", None),
    ],
)
def test_how_long_to_wait_is_taken_from_wherever_it_is_said(
    headers: dict[str, str], message: str, expected: float | None
) -> None:
    found = posted(429, {"code": "429", "message": message}, headers)
    assert isinstance(found, Throttled)
    assert found.retry_after_s == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "Container is expired.", ContainerGone),
        (400, "Expected container_id to be that of a container that is there", ContainerGone),
        (404, "Container with id 'cntr_1' not found.", ContainerGone),
        (404, "Agent assetmill-conversation-poster doesn't exist", HandleExpired),
        (404, "Agent assetmill-poster with version not found", HandleExpired),
        (404, "Conversation with id 'conv_1' not found.", ConversationGone),
        (404, "No conversation of the agent 'x' has that ID", ConversationGone),
        (400, "Invalid conversation id 'conv_1', Malformed identifier.", Rejected),
        (404, "The API deployment for this resource does not exist.", Rejected),
        (400, "Invalid value for the container's size", Rejected),
    ],
)
def test_what_is_gone_is_what_the_sentence_is_about(
    status: int, message: str, expected: type[ServiceError]
) -> None:
    assert type(posted(status, {"code": "not_found", "message": message})) is expected


def test_a_refusal_that_names_its_field_beside_its_words_is_about_that_field() -> None:
    """`background` with an agent is refused in words that do not say so: another way is tried then."""
    error = {
        "code": "invalid_payload",
        "message": "Not allowed when agent is specified.",
        "param": "background",
    }
    found = posted(400, error)
    assert type(found) is Rejected
    assert found.message == "Not allowed when agent is specified. (background)"
    again = {**error, "message": "The field background is not allowed."}
    assert posted(400, again).message == "The field background is not allowed."


def test_json_inside_a_message_is_unwrapped_and_says_what_to_do() -> None:
    inner = {
        "error": {
            "message": "imagegen deployment must be provided through header: "
            "x-ms-oai-image-generation-deployment",
            "code": "invalid_request_error",
        }
    }
    found = posted(400, {"code": "400", "message": f"upstream said {json.dumps(inner)}"})
    assert type(found) is Rejected
    assert "{" not in found.message
    assert "image_deployment" in found.message


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"type": "too_many_requests", "code": "rate_limit_exceeded", "message": "x"}, Throttled),
        ({"code": "content_filter", "message": "x"}, PromptBlocked),
        ({"code": "insufficient_quota", "message": "x"}, QuotaExhausted),
        ({"code": "Forbidden", "message": f"{BLOCKED_RESOURCE} unusual behavior."}, AccountBlocked),
        ({"code": "server_error", "message": "it went wrong"}, OutcomeUnknown),
        (None, OutcomeUnknown),
    ],
)
def test_an_error_event_that_opens_a_stream_means_what_it_says(
    error: object, expected: type[ServiceError]
) -> None:
    assert type(from_event(error)) is expected
    raised = openai.APIError("An error occurred during streaming", request=REQUEST, body=error)
    assert type(translate(raised, spending=True)) is expected


@pytest.mark.parametrize(
    "body",
    [
        {"message": {"a": 1}, "code": ["x"], "innererror": "text", "content_filters": {"a": 1}},
        {"error": {"error": {"error": {"error": {"error": {"error": {"error": {"error": {}}}}}}}}},
        {"message": "{" * 4000},
        {"content_filters": [None, 1, {"content_filter_results": [1]}]},
        [1, 2],
        17,
        "text",
    ],
)
def test_no_shape_of_an_error_is_one_too_many(body: object) -> None:
    wording = read_wording(body)
    assert isinstance(wording.message, str)
    assert wording.meaning(400) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20", 20.0),
        ("1h2m3.5s", 3_723.5),
        ("12ms", 0.012),
        ("0", None),
        ("-1", None),
        ("", None),
        ("inf", None),
    ],
)
def test_lengths_of_time_are_read_as_services_write_them(text: str, expected: float | None) -> None:
    assert duration_s(text) == expected
