"""Servers: what the policy covers goes on, what it does not waits for a person, and headers stay secret."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from assetmill.agents.requests import prepare
from assetmill.cli.approve import decide as decide_all
from assetmill.errors import InvalidSettings, NotFound, StageWaiting
from assetmill.fingerprint import digest
from assetmill.records import Approval, RunId, RunManifest, RunStart, StageEntry
from assetmill.spec.tools import Mcp
from assetmill.stage.engine import run_stage
from tests.assetmill.agents.workshop import Shop, by_turn
from tests.doubles import Body, message_item, stage_call

RUN = RunId("run-1")
SECRET = "canary-3f9a"


def server(**changes: Any) -> Body:
    fields = {"server_label": "docs", "server_url": "https://docs.invalid/mcp", **changes}
    return Mcp.model_validate(fields).wire()


def request(name: str = "search", request_id: str = "mcpr_1") -> Body:
    return {
        "type": "mcp_approval_request",
        "id": request_id,
        "server_label": "docs",
        "name": name,
        "arguments": '{"query": "lamps"}',
    }


def decide(shop: Shop, call: Any, subject: str, *, is_granted: bool) -> None:
    approval = Approval(subject=subject, is_granted=is_granted, decided_by="ann", created_at=1.0)
    shop.process().ledger.write_approval(call.pipeline, call.fingerprint, approval)


def answers(shop: Shop) -> list[tuple[str, bool]]:
    return [(item["approval_request_id"], item["approve"]) for item in shop.gateway.posts[-1].input]


@pytest.mark.parametrize(
    ("policy", "name"), [("never", "search"), (["delete"], "search")], ids=["never", "list"]
)
def test_what_the_policy_covers_is_approved(shop: Shop, policy: Any, name: str) -> None:
    shop.gateway.script = by_turn([request(name)], [message_item("done")])
    call = stage_call(tools=(server(require_approval=policy),), outputs=())
    assert run_stage(call, shop.process(), RUN).text == "done"
    assert answers(shop) == [("mcpr_1", True)]


@pytest.mark.parametrize("policy", ["always", ["search", "delete"]], ids=["always", "list"])
@pytest.mark.parametrize("is_granted", [True, False])
def test_what_it_does_not_cover_waits_for_a_person_and_then_goes_on(
    shop: Shop, policy: Any, *, is_granted: bool
) -> None:
    shop.gateway.script = by_turn([request()], [message_item("done")])
    call = stage_call(tools=(server(require_approval=policy),), outputs=())
    with pytest.raises(StageWaiting) as waiting:
        run_stage(call, shop.process(), RUN)
    assert waiting.value.asked == ('docs: search({"query": "lamps"})',)
    assert "assetmill approve run-1 hero" in str(waiting.value)
    assert "--deny" in str(waiting.value)
    with pytest.raises(StageWaiting):
        run_stage(call, shop.process(), RunId("run-2"))
    decide(shop, call, "mcp:mcpr_1", is_granted=is_granted)
    record = run_stage(call, shop.process(), RunId("run-3"))
    assert answers(shop) == [("mcpr_1", is_granted)]
    assert (record.attempt, record.turns, len(shop.gateway.posts)) == (1, 2, 2)


def test_nothing_of_a_turn_is_done_before_all_of_it_is_approved(shop: Shop) -> None:
    shop.gateway.script = by_turn([request(), request("delete", "mcpr_2")], [message_item("done")])
    call = stage_call(tools=(server(),), outputs=())
    with pytest.raises(StageWaiting):
        run_stage(call, shop.process(), RUN)
    decide(shop, call, "mcp:mcpr_1", is_granted=True)
    with pytest.raises(StageWaiting) as waiting:
        run_stage(call, shop.process(), RUN)
    assert waiting.value.asked == ('docs: delete({"query": "lamps"})',)
    assert len(shop.gateway.posts) == 1


def test_a_server_that_the_stage_does_not_name_needs_a_person(shop: Shop) -> None:
    shop.gateway.script = by_turn([{**request(), "server_label": "other"}])
    call = stage_call(tools=(server(require_approval="never"),), outputs=())
    with pytest.raises(StageWaiting):
        run_stage(call, shop.process(), RUN)


def test_headers_reach_the_service_and_nothing_that_is_stored(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    tool = server(headers_from="docs", require_approval="never")
    call = stage_call(tools=(tool,), outputs=())
    services = shop.process(mcp={"docs": {"headers": {"Authorization": SECRET}}})
    prepared = prepare(call, services.handles, services.settings)
    assert prepared.definition.tools[0]["headers"] == {"Authorization": "{{header_docs_authorization}}"}
    assert "header_docs_authorization" in prepared.definition.structured_inputs
    shop.gateway.script = by_turn([request()], [message_item("done")])
    shop.gateway.echo = {"tools": [{**tool, "headers": {"Authorization": SECRET}}]}
    run_stage(call, services, RUN)
    assert shop.gateway.posts[0].structured_inputs == {"header_docs_authorization": SECRET}
    kept = b"".join(_unpacked(shop.backend.get(entry.key)) for entry in shop.backend.list("v1/"))
    assert b"docs.invalid" in kept
    for text in (
        kept.decode(errors="replace"),
        caplog.text,
        repr(prepared),
        repr(services.settings),
        str(call.deciding()),
    ):
        assert SECRET not in text


def test_headers_that_the_profile_lacks_are_named_before_any_spend(shop: Shop) -> None:
    call = stage_call(tools=(server(headers_from="docs"),), outputs=())
    with pytest.raises(InvalidSettings, match=r"no \[mcp.docs.headers\]"):
        run_stage(call, shop.process(), RUN)
    with pytest.raises(InvalidSettings, match="DOCS_TOKEN"):
        run_stage(call, shop.process(mcp={"docs": {"unset": ["DOCS_TOKEN"]}}), RUN)
    assert shop.gateway.conversations == {}


def _unpacked(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def test_a_person_approves_by_run_and_stage(shop: Shop) -> None:
    """The command finds what is waited for in the store, without the service."""
    shop.gateway.script = by_turn([request()], [message_item("done")])
    call = stage_call(variant="locale=de", tools=(server(),), outputs=())
    with pytest.raises(StageWaiting) as waiting:
        run_stage(call, shop.process(), RUN)
    assert "approve run-1 'hero[locale=de]'" in str(waiting.value)
    services = shop.process()
    services.ledger.write_start(start())
    services.ledger.write_manifest(sealed(call.fingerprint))
    decided = decide_all(services.ledger, "run-1", "hero[locale=de]", is_granted=True)
    assert {place.pipeline for place, _, _ in decided} == {"poster"}
    assert [(asked.words, word.is_granted) for _, asked, word in decided] == [
        ('docs: search({"query": "lamps"})', True)
    ]
    again = decide_all(services.ledger, "run-1", "hero[locale=de]", is_granted=False)
    assert [word.is_granted for _, _, word in again] == [True]
    assert run_stage(call, shop.process(), RunId("run-2")).text == "done"
    with pytest.raises(NotFound, match="waits for nobody"):
        decide_all(services.ledger, "run-1", "hero[locale=de]", is_granted=True)
    with pytest.raises(NotFound, match="stage 'hero'"):
        decide_all(services.ledger, "run-1", "hero", is_granted=True)


def start() -> RunStart:
    fields: dict[str, Any] = {
        "parameters": {},
        "profile": "test",
        "spec_digest": digest(b""),
        "spec_path": "",
    }
    return RunStart(run_id=RUN, pipeline="poster", stages=(("hero", "locale=de"),), started_at=1.0, **fields)


def sealed(fp: Any) -> RunManifest:
    entry = StageEntry(stage="hero", variant="locale=de", status="waiting", fingerprint=fp)
    fields: dict[str, Any] = {
        "parameters": {},
        "profile": "test",
        "spec_digest": digest(b""),
        "spent_usd": None,
    }
    times: dict[str, Any] = {"started_at": 1.0, "finished_at": 2.0}
    return RunManifest(run_id=RUN, pipeline="poster", status="failed", stages=(entry,), **fields, **times)
