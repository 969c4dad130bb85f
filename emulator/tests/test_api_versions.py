"""An `api-version` that is missing, unknown or old is answered as the service answers it."""

from __future__ import annotations

import pytest
from foundry_emulator.testing.calls import Control, Raw, events

AGENT = "agents/poet/endpoint/protocols/openai"


def answered(raw: Raw, path: str) -> tuple[int, str]:
    answer = raw.http.get(f"{raw.endpoint}/{path}", headers=raw.headers)
    body = answer.json()
    return answer.status_code, body["error"]["code"] if "error" in body else "ok"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("deployments?api-version=v1", (200, "ok")),
        ("agents?api-version=2025-11-15-preview", (200, "ok")),
        ("deployments", (400, "BadRequest")),
        ("agents?api-version=", (400, "BadRequest")),
        ("agents?api-version=2024-07-01-preview", (400, "UnsupportedApiVersionValue")),
        ("openai/v1/responses", (200, "ok")),
        ("openai/v1/responses?api-version=v1", (200, "ok")),
        ("openai/responses", (400, "BadRequest")),
        ("openai/responses?api-version=2025-11-15-preview", (200, "ok")),
        ("openai/responses?api-version=2023-01-01", (400, "UnsupportedApiVersionValue")),
        (f"{AGENT}/responses?api-version=v1", (200, "ok")),
        (f"{AGENT}/v1/responses", (400, "BadRequest")),
        (f"{AGENT}/responses?api-version=2025-11-15-preview", (404, "NotFound")),
    ],
)
def test_each_address_wants_its_own(raw: Raw, path: str, expected: tuple[int, str]) -> None:
    raw.ok("POST", "agents/poet/versions", {"definition": {"kind": "prompt", "model": "gpt-4.1"}})
    assert answered(raw, path) == expected


def test_openai_s_own_service_knows_no_such_parameter(raw: Raw, control: Control) -> None:
    control.post("settings", {"flavour": "openai"})
    assert answered(raw, "openai/responses") == (200, "ok")


@pytest.mark.parametrize(
    ("flavour", "ends"),
    [("azure", ["error", "response.failed"]), ("openai", ["response.in_progress", "response.failed"])],
)
def test_a_failure_in_a_stream_is_an_event_of_its_own(
    raw: Raw, control: Control, flavour: str, ends: list[str]
) -> None:
    control.post("settings", {"flavour": flavour})
    control.faults({"op": "responses.create", "fault": "fail_response"})
    body = {"model": "gpt-4.1", "input": "say:hi", "stream": True}
    sent = events(raw.call("POST", "openai/v1/responses", body).text)
    assert [event["type"] for event in sent][-2:] == ends
    said = sent[-1]["response"]["error"]
    told = [event["error"] for event in sent if event["type"] == "error"]
    assert [(one["code"], one["message"], one["param"]) for one in told] == [
        (said["code"], said["message"], None) for _ in told
    ]
