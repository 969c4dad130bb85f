"""Batches on doubles: paid once, gone on with after a death, quarantined, stopped, kept to their limits."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.opening import InvalidRows
from assetmill.batches.records import BatchRow
from assetmill.batches.reports import contact_sheet, document, markdown
from assetmill.errors import (
    AccountBlocked,
    InvalidInput,
    InvalidSettings,
    ModelRetired,
    PromptBlocked,
    Rejected,
)
from assetmill.stage.services import Services
from tests.batchworks import carry_out, plan_batch, products, run_rows, states, write_rows
from tests.doubles import ScriptedGateway, always


def prompts(gateway: ScriptedGateway) -> list[str]:
    return [str(request.input) for request in gateway.posts]


def test_rows_are_done_and_what_they_share_is_paid_once(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, "a mug", "a lamp", "a bed")
    planned = plan_batch(services, rows)
    assert dict(planned.totals.stages) == {"run": 4, "wait": 3, "shared": 2}
    manifest = carry_out(planned)
    assert manifest is not None
    assert (manifest.status, states(manifest)) == ("completed", ["done"] * 3)
    assert len(gateway.posts) == 7
    rooms = [stage.status for row in manifest.rows for stage in row.stages if stage.label == "room"]
    assert sorted(rooms) == ["done", "reused", "reused"]
    paid = sum(stage.spent_usd or 0 for row in manifest.rows for stage in row.stages)
    assert manifest.spent_usd == pytest.approx(paid)
    assert [asset.name for asset in manifest.rows[0].assets] == ["scene.png", "room.png", "poster.png"]


def test_a_batch_of_which_nothing_is_new_reads_a_handful_of_objects(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, *(f"thing {n}" for n in range(12)))
    first = run_rows(services, rows)
    posts, before = len(gateway.posts), services.backend.requests
    again = plan_batch(services, rows)
    assert (again.to_do, again.totals.to_run) == ((), 0)
    manifest = carry_out(again)
    assert manifest is not None
    assert (states(manifest), manifest.spent_usd) == (["reused"] * 12, 0.0)
    assert [row.assets for row in manifest.rows] == [row.assets for row in first.rows]
    assert len(gateway.posts) == posts
    # Manifests and pages, blocked prompts, and a halt that is looked for: none of them for each row.
    assert services.backend.requests - before <= 8


def test_one_edited_row_pays_for_itself_alone(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    run_rows(services, products(tmp_path, "a mug", "a lamp", "a bed"))
    posts = len(gateway.posts)
    manifest = run_rows(services, products(tmp_path, "a mug", "a ladder", "a bed"))
    assert states(manifest) == ["reused", "done", "reused"]
    assert len(gateway.posts) == posts + 2


def test_a_batch_that_died_goes_on_where_it_was(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, *(f"thing {n}" for n in range(8)))
    carry_out(plan_batch(services, rows), slice(0, 5), is_sealed=False)
    posts = len(gateway.posts)
    planned = plan_batch(services, rows)
    assert planned.totals.stages["reuse"] == 5 * 3 + 3
    assert planned.totals.to_run == 3 * 2
    manifest = carry_out(planned)
    assert manifest is not None
    assert states(manifest) == ["reused"] * 5 + ["done"] * 3
    assert len(gateway.posts) == posts + 6


def test_stages_of_a_group_that_was_lost_before_its_page_are_found_in_the_store(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, "a mug", "a lamp")
    carry_out(plan_batch(services, rows), is_sealed=False)
    for entry in list(services.backend.list("v1/n/")):
        services.backend.delete(entry.key)
    posts = len(gateway.posts)
    planned = plan_batch(services, rows)
    assert dict(planned.totals.stages) == {"reuse": 6}
    manifest = carry_out(planned)
    assert manifest is not None
    assert (states(manifest), len(gateway.posts)) == (["reused"] * 2, posts)
    assert len(manifest.rows[1].assets) == 3


def test_a_row_that_fails_keeps_no_other_from_its_end(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    def refuse(request: ResponseRequest) -> None:
        if "lamp" in str(request.input):
            raise Rejected("too many lamps", "invalid_request", 400)

    gateway.before = refuse
    manifest = run_rows(services, products(tmp_path, "a mug", "a lamp", "a bed"))
    assert (manifest.status, states(manifest)) == ("incomplete", ["done", "failed", "done"])
    failed = manifest.rows[1]
    assert [stage.status for stage in failed.stages] == ["failed", "reused", "skipped"]
    assert "too many lamps" in (failed.reason or "")
    gateway.before = lambda _: None
    assert states(run_rows(services, products(tmp_path, "a mug", "a lamp", "a bed"))) == [
        "reused",
        "done",
        "reused",
    ]


def test_a_blocked_prompt_is_not_sent_again_until_somebody_asks(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    sent: list[str] = []

    def refuse(request: ResponseRequest) -> None:
        sent.append(str(request.input))
        if "lamp" in str(request.input):
            raise PromptBlocked("refused by moderation", "content_filter", 400)

    gateway.before = refuse
    rows = products(tmp_path, "a mug", "a lamp")
    first = run_rows(services, rows)
    assert states(first) == ["done", "quarantined"]
    assert "refused by moderation" in (first.rows[1].reason or "")
    sent.clear()
    again = plan_batch(services, rows)
    assert again.totals.stages["blocked"] == 2
    manifest = carry_out(again)
    assert manifest is not None
    assert (states(manifest), sent) == (["reused", "quarantined"], [])
    assert "in quarantine" in (manifest.rows[1].reason or "")
    gateway.before = lambda _: None
    asked = run_rows(services, rows, retries_blocked=True)
    assert states(asked) == ["reused", "done"]
    assert states(run_rows(services, rows)) == ["reused", "reused"]


def test_a_block_of_the_account_stops_everything_at_once(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    sent: list[str] = []

    def refuse(request: ResponseRequest) -> None:
        sent.append("")
        raise AccountBlocked("the resource is blocked", "account_blocked", 403)

    gateway.before = refuse
    rows = products(tmp_path, *(f"thing {n}" for n in range(30)))
    manifest = run_rows(services, rows)
    assert (manifest.status, set(states(manifest))) == ("stopped", {"cancelled"}), [
        row.reason for row in manifest.rows
    ]
    assert "the resource is blocked" in (manifest.reason or "")
    assert len(sent) <= services.settings.run.concurrency
    # It is no property of the rows: the next run tries again.
    gateway.before = lambda _: None
    assert run_rows(services, rows).status == "completed"


def test_a_batch_whose_prompts_are_refused_again_and_again_stops(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    """Long before the service blocks the account for it."""
    limits = services.settings.run.model_copy(update={"refusals": 3})
    services.settings = services.settings.model_copy(update={"run": limits})
    sent: list[str] = []

    def refuse(request: ResponseRequest) -> None:
        sent.append("")
        raise PromptBlocked("refused by moderation", "content_filter", 400)

    gateway.before = refuse
    rows = products(tmp_path, *(f"thing {n}" for n in range(30)))
    manifest = run_rows(services, rows)
    assert manifest.status == "stopped"
    assert {"quarantined", "cancelled"} == set(states(manifest))
    assert "moderation has refused 3 prompts" in (manifest.reason or "")
    assert 3 <= len(sent) <= 3 + services.settings.run.concurrency


def test_another_machine_stops_when_one_has_met_the_block(services: Services, tmp_path: Path) -> None:
    from tests.batchworks import work_on

    batch = plan_batch(services, products(tmp_path, "a mug", "a lamp"))
    work = work_on(batch)
    batch.ledger.halt(batch.batch_id, work.run_id, "the account is blocked: elsewhere")
    told = work.carry_out([plan.row for plan in batch.plans])
    work.close()
    assert [row.state for row in told] == ["cancelled", "cancelled"]


def test_nothing_is_begun_after_the_hour(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, "a mug", "a lamp")
    late = run_rows(services, rows, by=time.time() - 1)
    assert (states(late), gateway.posts) == (["late", "late"], [])
    assert "has passed" in (late.rows[0].reason or "")
    assert states(run_rows(services, rows, by=time.time() + 60)) == ["done", "done"]


def test_the_hour_passes_in_the_middle(services: Services, gateway: ScriptedGateway, tmp_path: Path) -> None:
    batch = plan_batch(services, products(tmp_path, "a mug"), by=time.time() + 3600)

    def pass_by(_: ResponseRequest) -> None:
        batch.services.gate.until = time.time()

    gateway.before = pass_by
    manifest = carry_out(batch)
    assert manifest is not None
    # Two stages had begun and are paid for; the third comes too late.
    assert 1 <= len(gateway.posts) <= 2
    assert states(manifest) == ["late"]


def test_the_budget_holds_over_all_runs_of_a_batch(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, *(f"thing {n}" for n in range(6)))
    whole = plan_batch(services, rows).totals.cost.ceiling
    part = run_rows(services, rows, budget_usd=whole / 8)
    assert "over_budget" in states(part)
    spent = part.spent_usd or 0.0
    again = run_rows(services, rows, budget_usd=whole / 3)
    assert spent + (again.spent_usd or 0.0) <= whole / 3
    done = run_rows(services, rows, budget_usd=whole * 2)
    assert set(states(done)) <= {"done", "reused"}


def test_bad_rows_refuse_a_batch_unless_allowed(services: Services, tmp_path: Path) -> None:
    rows = write_rows(tmp_path, [{"product": "a mug"}, {"product": "x" * 30}])
    with pytest.raises(InvalidRows) as refused:
        plan_batch(services, rows)
    assert refused.value.rows == ((3, "parameter 'product': is longer than 20 characters"),)
    manifest = run_rows(services, rows, allows_bad_rows=True)
    assert (manifest.status, states(manifest)) == ("completed", ["done", "invalid"])


def test_a_stage_that_rows_share_is_asked_for_by_one_thread(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rooms: list[int] = []
    gate = threading.Lock()

    def note(request: ResponseRequest) -> None:
        with gate:
            if "room" in str(request.input):
                rooms.append(1)
        time.sleep(0.02)

    gateway.before = note
    run_rows(services, products(tmp_path, *(f"thing {n}" for n in range(20))))
    assert len(rooms) == 1


def test_a_named_batch_may_change_its_rows(services: Services, tmp_path: Path) -> None:
    first = run_rows(services, products(tmp_path, "a mug"), name="nightly")
    second = run_rows(services, products(tmp_path, "a mug", "a lamp"), name="nightly")
    assert (first.batch_id, second.batch_id) == ("nightly", "nightly")
    assert states(second) == ["reused", "done"]
    with pytest.raises(InvalidInput, match="cannot be a batch's name"):
        plan_batch(services, products(tmp_path, "a mug"), name="../x")


def test_a_shard_refuses_another_pipeline_file(services: Services, tmp_path: Path) -> None:
    from assetmill.batches.opening import BatchOrder, prepare_shard, store_start

    batch = plan_batch(services, products(tmp_path, "a mug", "a lamp", "a bed"))
    store_start(batch)
    order = BatchOrder("", "", name=batch.batch_id, allows_bad_rows=True)
    shard = prepare_shard(order, batch.content, services, first=1, last=3)
    assert [plan.row.parameters["product"] for plan in shard.plans] == ["a lamp", "a bed"]
    path = services.settings.configs / "pipelines" / "card.yaml"
    path.write_text(path.read_text() + "# changed\n")
    with pytest.raises(InvalidSettings, match="is not the file"):
        prepare_shard(order, batch.content, services, first=1, last=3)


def test_reports_show_every_row_and_believe_none(services: Services, tmp_path: Path) -> None:
    hostile = '<img src=x onerror="alert(1)">|`![a](//x.invalid) **b** www.x.invalid'
    path = tmp_path / "rows.jsonl"
    import json

    path.write_text(json.dumps({"product": "a mug", "row": hostile}) + '\n{"product": "a lamp"}\n')
    manifest = run_rows(services, str(path))
    page = contact_sheet(manifest, services.blobs)
    assert hostile not in page
    assert "&lt;img src=x onerror" in page
    assert page.count("data:image/jpeg;base64,") == 6
    assert "http" not in page.replace("http-equiv", "")
    text = markdown(manifest)
    assert "<img" not in text
    for markup in ("![", "](", "`|", "*", "www.x"):
        assert markup not in text
    assert [row["name"] for row in document(manifest)["rows"]] == [hostile, "row 2"]


def test_a_sheet_tells_rows_of_one_name_apart_and_what_it_leaves_out(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assetmill.batches.reports.MOST_PICTURES", 0)
    rows = write_rows(tmp_path, [{"row": "twin", "product": "a mug"}, {"row": "twin", "product": "a cup"}])
    page = contact_sheet(run_rows(services, rows), services.blobs)
    assert "row 2, done" in page
    assert "row 3, done" in page
    assert "data:image/jpeg" not in page
    assert "as the page would be too large: 6." in page


def test_a_model_that_ends_in_the_middle_ends_its_rows_and_draws_nothing_twice(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    refused: list[str] = []

    def retire(request: ResponseRequest) -> None:
        if len(gateway.posts) >= 3:
            refused.append("")
            raise ModelRetired(f"The model of the deployment {request.agent.name!r} is gone.", "410", 410)

    gateway.before = retire
    rows = products(tmp_path, *(f"thing {n}" for n in range(20)))
    manifest = run_rows(services, rows, pipeline="one")
    assert sorted(states(manifest)) == ["done"] * 3 + ["failed"] * 17
    reasons = [row.reason or "" for row in manifest.rows if row.state == "failed"]
    said = (
        "no such model any more: gpt-5.6-luna (ends on 2028-01-11 at azure), use gpt-6-luna",
        "`assetmill check --models` says what to change, `assetmill migrate --to gpt-6-luna` shows",
    )
    assert all(part in reason for reason in reasons for part in said), reasons
    assert 1 <= len(refused) <= services.settings.run.concurrency
    gateway.before = lambda _: None
    assert set(states(run_rows(services, rows, pipeline="one"))) == {"done", "reused"}
    assert len(gateway.posts) == 20


def test_what_failed_twice_is_paid_again_only_when_somebody_says_so(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows, draw = products(tmp_path, "a mug"), gateway.script
    gateway.script = always()
    told = [run_rows(services, rows, "one").rows[0].stages[0].error for _ in range(3)]
    assert len(gateway.posts) == 2
    assert "--pay-again" in str(told[-1])
    gateway.script = draw
    assert states(run_rows(services, rows, "one")) == ["failed"]
    assert states(run_rows(services, rows, "one", pays_again=True)) == ["done"]
    assert len(gateway.posts) == 3


def test_the_gate_closes_after_the_first_refusal(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    """Where one stage works at a time, one request alone learns that the model is gone."""
    one = services.settings.run.model_copy(update={"concurrency": 1})
    services = replace(services, settings=services.settings.model_copy(update={"run": one}))
    asked: list[str] = []

    def retire(request: ResponseRequest) -> None:
        asked.append(request.agent.name)
        if len(asked) > 3:
            raise ModelRetired("The model is gone.", "410", 410)

    gateway.before = retire
    manifest = run_rows(services, products(tmp_path, *(f"thing {n}" for n in range(12))), pipeline="one")
    assert sorted(states(manifest)) == ["done"] * 3 + ["failed"] * 9
    assert len(asked) == 4


def test_a_sealed_batch_holds_its_rows_packed(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    manifest = run_rows(services, products(tmp_path, *(f"packed {n}" for n in range(12))))
    keys = {row.key for row in manifest.rows}
    assert len(keys) == 12
    gc.collect()
    rows = (one for one in gc.get_objects() if isinstance(one, BatchRow))
    assert not [row.number for row in rows if row.key in keys]
    # What is read back is the same, row by row.
    assert BatchLedger(services.backend).find(manifest.batch_id) == manifest
