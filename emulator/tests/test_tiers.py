from __future__ import annotations

from typing import Any

import openai
import pytest
from foundry_emulator.testing.calls import Control, Raw

FLEX: dict[str, Any] = {"model": "gpt-5.6-luna", "service_tier": "flex"}


def charge(control: Control) -> dict[str, Any]:
    (one,) = control.bill()
    return one


def test_flex_is_echoed_at_the_end_and_costs_half(raw: Raw, control: Control) -> None:
    body = raw.respond("say hello", **FLEX)
    assert body["service_tier"] == "flex"
    flex = charge(control)
    assert raw.respond("say hello", model="gpt-5.6-luna")["service_tier"] == "default"
    default = control.bill()[1]
    assert (flex["service_tier"], default["service_tier"]) == ("flex", "default")
    assert flex["usd"] == pytest.approx(default["usd"] / 2)
    assert flex["usd"] > 0


def test_the_tier_is_auto_while_a_response_runs(raw: Raw, control: Control) -> None:
    control.post("settings", {"flex_latency_s": 600})
    assert raw.respond("say hello", background=True, **FLEX)["service_tier"] == "auto"
    assert not control.bill()


def test_a_stream_ends_with_the_tier_that_served_it(raw: Raw) -> None:
    assert raw.stream("say hello", **FLEX)[-1]["response"]["service_tier"] == "flex"


def test_a_model_without_the_tier_refuses_it_and_does_not_fall_back(raw: Raw, control: Control) -> None:
    refused = raw.call("POST", "openai/v1/responses", {**FLEX, "model": "gpt-4.1", "input": "hello"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request_error")
    assert not control.bill()


def test_without_capacity_nothing_is_charged_and_the_quota_is_used(
    client: openai.OpenAI, control: Control
) -> None:
    quota = {"gpt-5.6-luna": {"requests_per_minute": 1}}
    control.post("settings", {"flex_refusals": 1.0, "quota": quota})
    once = client.with_options(max_retries=0)
    with pytest.raises(openai.RateLimitError) as refused:
        once.responses.create(model="gpt-5.6-luna", input="hello", service_tier="flex")
    assert refused.value.code == "resource_unavailable"
    with pytest.raises(openai.RateLimitError) as second:
        once.responses.create(model="gpt-5.6-luna", input="hello")
    assert second.value.code == "RateLimitReached"
    assert not control.bill()


@pytest.mark.parametrize(("answer", "tier"), [("accepted", "flex"), ("dropped", "default")])
def test_beside_an_agent_a_setting_says_what_becomes_of_flex(
    raw: Raw, control: Control, answer: str, tier: str
) -> None:
    control.post("settings", {"flex_with_agent": answer})
    body = raw.ok("POST", "openai/v1/responses", beside_agent(raw))
    assert (body["service_tier"], charge(control)["service_tier"]) == (tier, tier)


def test_beside_an_agent_flex_may_be_refused(raw: Raw, control: Control) -> None:
    control.post("settings", {"flex_with_agent": "refused"})
    refused = raw.call("POST", "openai/v1/responses", beside_agent(raw))
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, "invalid_payload", "service_tier")


def beside_agent(raw: Raw) -> dict[str, Any]:
    definition = {"definition": {"kind": "prompt", "model": "gpt-5.6-luna", "instructions": "Be brief"}}
    version = raw.ok("POST", "agents/tiers/versions?api-version=v1", definition)
    agent = {"type": "agent_reference", "name": "tiers", "version": version["version"]}
    return {"input": "hello", "service_tier": "flex", "agent_reference": agent}
