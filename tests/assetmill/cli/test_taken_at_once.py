"""A candidate is taken in a stage that needs no approval: by a reviewer's word, and without a spend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assetmill.batches.opening import prepare_again, store_start
from assetmill.batches.records import BatchManifest
from assetmill.records import RunManifest, StageRecord
from assetmill.runs.planning import plan_pipeline
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.assetmill.cli.test_taken_instead import candidates, gateway_of, taken
from tests.batchworks import carry_out, plan_batch, products
from tests.doubles import image_item, png
from tests.millworks import run_here

TOOLS = "tools: [{type: image_generation, quality: low}]"
PLAIN = f"""
name: plain
parameters:
  product: {{title: Product, default: a mug}}
stages:
  - name: scene
    prompt: Draw {{{{ product }}}}.
    {TOOLS}
    outputs: [{{name: scene.png}}]
  - name: hero
    prompt: Draw it larger.
    {TOOLS}
    best_of: 3
    inputs: [{{from: scene}}]
    outputs: [{{name: hero.png}}]
  - name: night
    prompt: Draw it at night.
    {TOOLS}
    inputs: [{{from: hero}}]
    outputs: [{{name: night.png}}]
"""
COLOURS = ("teal", "gold", "plum", "navy", "pink", "lime", "coral", "olive", "khaki", "peru", "tan", "gray")


@pytest.fixture
def pipelines() -> dict[str, str]:
    return {"plain": PLAIN}


@pytest.fixture
def mill(services: Services, assetmill: Terminal) -> Services:
    assert assetmill("reviewers", "add", "ada") == 0, assetmill.err
    shown = iter(COLOURS)

    def draw(_request: object) -> list[dict[str, Any]]:
        return [image_item(png(1024, 1024, next(shown)))]

    gateway_of(services).script = draw
    return services


def hero_of(manifest: RunManifest) -> StageRecord:
    record = manifest.stages[1].record
    assert record is not None
    return record


def posts(services: Services) -> int:
    return len(gateway_of(services).posts)


def test_what_follows_is_stale_and_nothing_else(mill: Services, assetmill: Terminal) -> None:
    first = hero_of(run_here(mill, "plain"))
    drawn = posts(mill)
    wanted = candidates(first)[1]
    document: dict[str, Any] = assetmill.document("accept", wanted, "--by", "ada")
    assert [one["asset_id"] for one in document["assets"] if one["role"] == "output"] == [wanted]
    assert posts(mill) == drawn
    plan = plan_pipeline("plain", {}, mill.settings, mill.ledger)
    assert [stage.status for stage in plan.stages] == ["reuse", "reuse", "run"]
    assert plan.stages[1].reason == f"ada took another candidate instead of {taken(first)}"
    again = run_here(mill, "plain")
    assert (again.status, taken(hero_of(again)), posts(mill)) == ("completed", wanted, drawn + 1)
    night = again.stages[2].record
    assert night is not None
    assert night.outputs[0].derived_from == (wanted,)
    # The choice before stays as it was. A run after that pays for nothing.
    assert mill.ledger.read_stage(first.pipeline, first.fingerprint) == first
    assert run_here(mill, "plain").spent_usd == 0


def test_it_is_found_behind_a_stage_that_is_made_anew(mill: Services, assetmill: Terminal) -> None:
    first = run_here(mill, "plain")
    wanted = candidates(hero_of(first))[0]
    assert assetmill("accept", wanted) == 0, assetmill.err
    drawn = posts(mill)
    # Its record is lost: nobody knows before the run that the same scene will come of it.
    scene = first.stages[0].record
    assert scene is not None
    scene_bytes = mill.blobs.get(scene.outputs[0].blob)

    def draw(_request: object) -> list[dict[str, Any]]:
        return [image_item(scene_bytes)]

    gateway_of(mill).script = draw
    path = mill.settings.configs / "pipelines" / "plain.yaml"
    path.write_text(PLAIN.replace("Draw {{ product }}.", "Draw {{ product }}, please."))
    again = run_here(mill, "plain")
    assert taken(hero_of(again)) == wanted
    assert posts(mill) == drawn + 2


def test_the_word_can_be_withdrawn_and_another_taken(mill: Services, assetmill: Terminal) -> None:
    first = hero_of(run_here(mill, "plain"))
    drawn = posts(mill)
    one, other = candidates(first)
    for wanted in (one, other, taken(first), one):
        assert assetmill("accept", wanted) == 0, assetmill.err
        assert taken(hero_of(run_here(mill, "plain"))) == wanted
    # A night for each of the three, and never one twice.
    assert posts(mill) == drawn + 2
    assert assetmill("review", taken(first), "withdraw") == 0, assetmill.err
    assert taken(hero_of(run_here(mill, "plain"))) == taken(first)
    assert posts(mill) == drawn + 2


def test_a_rejection_alone_draws_and_changes_nothing(mill: Services, assetmill: Terminal) -> None:
    first = hero_of(run_here(mill, "plain"))
    assert assetmill("review", taken(first), "reject", "--reason", "too teal") == 0
    again = run_here(mill, "plain")
    assert (hero_of(again), again.spent_usd) == (first, 0)


def test_a_lock_holds_what_was_taken(mill: Services, assetmill: Terminal, tmp_path: Path) -> None:
    wanted = candidates(hero_of(run_here(mill, "plain")))[0]
    assert assetmill("accept", wanted) == 0, assetmill.err
    run_here(mill, "plain")
    assert assetmill("lock", "plain", "--out", str(tmp_path / "out"), "--lock", str(tmp_path / "l")) == 0, (
        assetmill.err
    )


def test_a_plan_costs_one_listing_more_where_there_are_reviewers(mill: Services, assetmill: Terminal) -> None:
    wanted = candidates(hero_of(run_here(mill, "plain")))[0]

    def requests() -> int:
        before = mill.backend.requests
        plan_pipeline("plain", {}, mill.settings, mill.ledger)
        return mill.backend.requests - before

    reviewers = mill.settings.configs / "reviewers.toml"
    here = reviewers.read_text()
    reviewers.unlink()
    alone = requests()
    reviewers.write_text(here)
    assert requests() == alone + 1
    assert assetmill("accept", wanted) == 0, assetmill.err


class TestRows:
    def batch(self, mill: Services, folder: Path) -> BatchManifest:
        batch = plan_batch(mill, products(folder, "a mug", "a cup"), "plain")
        store_start(batch)
        manifest = carry_out(batch)
        assert manifest is not None
        return manifest

    def again(self, mill: Services, batch_id: str) -> BatchManifest:
        manifest = carry_out(prepare_again(batch_id, mill))
        assert manifest is not None
        return manifest

    def test_one_row_takes_another_and_no_other_is_touched(
        self, mill: Services, assetmill: Terminal, tmp_path: Path
    ) -> None:
        first = self.batch(mill, tmp_path)
        fp = first.rows[1].stages[1].fingerprint
        record = mill.ledger.read_stage("plain", fp) if fp else None
        assert record is not None
        wanted, drawn = candidates(record)[0], posts(mill)
        assert assetmill("accept", wanted) == 0, assetmill.err
        planned = prepare_again(first.batch_id, mill)
        assert [[stage.decision for stage in plan.stages] for plan in planned.plans] == [
            ["reuse", "reuse", "reuse"],
            ["reuse", "reuse", "run"],
        ]
        again = self.again(mill, first.batch_id)
        assert [one.asset_id for one in again.rows[1].stages[1].assets if one.name == "hero.png"] == [wanted]
        assert [stage.fingerprint for stage in again.rows[0].stages] == [
            stage.fingerprint for stage in first.rows[0].stages
        ]
        assert posts(mill) == drawn + 1
        # The next pass knows it without drawing, and so does one after the word was taken back.
        assert [plan.is_reused for plan in prepare_again(first.batch_id, mill).plans] == [True, True]
        assert assetmill("review", taken(record), "withdraw") == 0, assetmill.err
        back = prepare_again(first.batch_id, mill)
        assert [[stage.fingerprint for stage in plan.stages] for plan in back.plans] == [
            [stage.fingerprint for stage in row.stages] for row in first.rows
        ]
        assert posts(mill) == drawn + 1
