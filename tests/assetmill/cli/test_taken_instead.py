"""A candidate that was not taken is taken after all, by a reviewer's word and without a spend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assetmill.batches.opening import prepare_again, store_start
from assetmill.records import RunManifest, StageRecord
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.batchworks import carry_out, plan_batch, products
from tests.doubles import ScriptedGateway, image_item, png
from tests.millworks import run_here

HERO = """
name: hero
stages:
  - name: hero
    prompt: Draw a mug.
    tools: [{type: image_generation, quality: low}]
    best_of: 3
    reroll: 2
    approval: {by: [brand]}
    outputs: [{name: hero.png}]
  - name: night
    prompt: Draw it at night.
    tools: [{type: image_generation, quality: low}]
    inputs: [{from: hero}]
    outputs: [{name: night.png}]
"""

ROWS = """
name: rows
parameters:
  product: {title: Product}
stages:
  - name: hero
    prompt: Draw {{ product }}.
    tools: [{type: image_generation, quality: low}]
    best_of: 2
    reroll: 1
    approval: required
    outputs: [{name: hero.png}]
"""


@pytest.fixture
def pipelines() -> dict[str, str]:
    tight = HERO.replace("name: hero\nstages", "name: tight\nstages").replace("reroll: 2", "reroll: 0")
    return {"hero": HERO, "tight": tight, "rows": ROWS}


def gateway_of(services: Services) -> ScriptedGateway:
    assert isinstance(services.gateway, ScriptedGateway)
    return services.gateway


def run(services: Services, name: str = "hero") -> RunManifest:
    shown = iter(["teal", "gold", "plum", "navy", "pink"])

    def draw(_request: object) -> list[dict[str, Any]]:
        return [image_item(png(1024, 1024, next(shown)))]

    gateway_of(services).script = draw
    return run_here(services, name)


def choice_of(manifest: RunManifest) -> StageRecord:
    record = manifest.stages[0].record
    assert record is not None
    return record


def candidates(record: StageRecord) -> list[str]:
    return [one.asset_id for one in record.outputs if one.role == "candidate"]


def taken(record: StageRecord) -> str:
    return next(one.asset_id for one in record.outputs if one.role == "output")


@pytest.fixture
def brand(services: Services, assetmill: Terminal) -> None:
    assert assetmill("reviewers", "add", "ada", "--group", "brand") == 0, assetmill.err


@pytest.mark.usefixtures("brand")
def test_what_follows_is_made_from_what_is_taken_now(services: Services, assetmill: Terminal) -> None:
    first = choice_of(run(services))
    wanted, _ = candidates(first)
    drawn = len(gateway_of(services).posts)
    document: dict[str, Any] = assetmill.document("accept", wanted)
    assert document["decision"]["decided_by"] == "ada"
    assert [one["asset_id"] for one in document["assets"] if one["role"] == "output"] == [wanted]
    assert len(gateway_of(services).posts) == drawn
    again = run(services)
    now = choice_of(again)
    assert (again.status, taken(now)) == ("completed", wanted)
    # Only what follows was drawn, from the picture that was taken now.
    assert len(gateway_of(services).posts) == drawn + 1
    night = again.stages[1].record
    assert night is not None
    assert night.outputs[0].derived_from == (wanted,)
    # What was chosen first is there as it was, with the word against it.
    assert services.ledger.read_stage(first.pipeline, first.fingerprint) == first
    told = assetmill.document("review", taken(first))
    assert [(one["kind"], one["reason"]) for one in told["reviews"]] == [
        ("rejected", f"instead of it {wanted} is taken")
    ]


@pytest.mark.usefixtures("brand")
def test_another_choice_can_follow(services: Services, assetmill: Terminal) -> None:
    first = choice_of(run(services))
    drawn = len(gateway_of(services).posts)
    for wanted in candidates(first):
        assert assetmill("accept", wanted) == 0, assetmill.err
        assert taken(choice_of(run(services))) == wanted
    assert len(gateway_of(services).posts) == drawn + 2
    # Both rounds are over: a third choice would be one too many, and says what to do.
    assert assetmill("accept", taken(first)) == 2
    assert "`reroll: 2`" in assetmill.err


@pytest.mark.usefixtures("brand")
def test_a_row_of_a_batch_takes_another_one_too(
    services: Services, assetmill: Terminal, tmp_path: Path
) -> None:
    shown = iter(["teal", "gold", "plum", "navy"])

    def draw(_request: object) -> list[dict[str, Any]]:
        return [image_item(png(1024, 1024, next(shown)))]

    gateway_of(services).script = draw
    batch = plan_batch(services, products(tmp_path, "a mug", "a cup"), "rows")
    store_start(batch)
    first = carry_out(batch)
    assert first is not None
    fp = first.rows[1].stages[0].fingerprint
    record = services.ledger.read_stage("rows", fp) if fp else None
    assert record is not None
    wanted = candidates(record)[0]
    assert assetmill("accept", wanted) == 0, assetmill.err
    assert f"assetmill batch --again {batch.batch_id}" in assetmill.out
    drawn = len(gateway_of(services).posts)
    again = carry_out(prepare_again(batch.batch_id, services))
    assert again is not None
    cup = again.rows[1]
    # The other row waits as before; of this one nothing was drawn, and the picture is the one that was taken.
    assert [row.state for row in again.rows] == ["waiting", "reused"]
    assert [one.asset_id for one in cup.assets] == [wanted]
    assert len(gateway_of(services).posts) == drawn


@pytest.mark.usefixtures("brand")
def test_a_rejection_need_not_be_drawn_for(services: Services, assetmill: Terminal) -> None:
    first = choice_of(run(services))
    wanted = candidates(first)[0]
    drawn = len(gateway_of(services).posts)
    assert assetmill("review", taken(first), "reject", "--reason", "too teal") == 0
    assert assetmill("accept", wanted) == 0, assetmill.err
    assert taken(choice_of(run(services))) == wanted
    assert len(gateway_of(services).posts) == drawn + 1


@pytest.mark.usefixtures("brand")
def test_what_is_drawn_again_already_is_waited_for(services: Services, assetmill: Terminal) -> None:
    first = choice_of(run(services))
    assert assetmill("review", taken(first), "reject", "--reason", "too teal") == 0
    again = choice_of(run(services))
    assert again.fingerprint != first.fingerprint
    assert assetmill("accept", candidates(first)[0]) == 2
    assert "no candidate of what hero has made last" in assetmill.err


def test_whose_word_does_not_count_takes_nothing(services: Services, assetmill: Terminal) -> None:
    assert assetmill("reviewers", "add", "eve", "--group", "sales") == 0
    first = choice_of(run(services))
    assert assetmill("accept", candidates(first)[0]) == 2
    assert "eve is of none of the groups" in assetmill.err
    assert assetmill.document("review", taken(first))["reviews"] == []


@pytest.mark.usefixtures("brand")
def test_where_there_is_no_round_nothing_changes(services: Services, assetmill: Terminal) -> None:
    first = choice_of(run(services, "tight"))
    assert assetmill("accept", candidates(first)[0]) == 2
    assert "`reroll: 0`" in assetmill.err
    assert assetmill.document("review", taken(first))["reviews"] == []
