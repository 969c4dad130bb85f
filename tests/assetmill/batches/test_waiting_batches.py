"""Batches whose pictures reviewers must approve: what waits, what is drawn again, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.batches.records import BatchManifest
from assetmill.gallery.walls import Walls
from assetmill.records import AssetRecord
from assetmill.reviews.desk import Desk
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.batchworks import carry_out, colourful, plan_batch, products, run_rows, states
from tests.doubles import ScriptedGateway
from tests.millworks import PICTURE, services_on, settings_in
from tests.reviewyard import desk_for, say

TILE = f"""
name: tile
parameters:
  product: {{title: Product}}
defaults: {{model: gpt-4.1-mini}}
stages:
  - name: draw
    prompt: |
      Draw {{{{ product }}}}.{{% if rejection.reason %}} Not so: {{{{ rejection.reason }}}}.{{% endif %}}
    reroll: 1
    approval: {{by: [brand]}}{PICTURE % "draw"}
"""
FRAMED = (
    TILE.replace("name: tile", "name: framed", 1)
    + f"""
  - name: frame
    prompt: Frame {{{{ product }}}}.
    inputs: [{{from: draw}}]{PICTURE % "frame"}
"""
)


@pytest.fixture
def gateway() -> ScriptedGateway:
    return colourful()


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, tile=TILE, framed=FRAMED), MemoryStore(), gateway)
    yield services
    services.close()


@pytest.fixture
def desk(services: Services) -> Desk:
    return desk_for(services)


def pictures(services: Services, manifest: BatchManifest) -> list[AssetRecord]:
    found = [services.ledger.read_asset(asset.asset_id) for row in manifest.rows for asset in row.assets]
    return [asset for asset in found if asset]


def test_a_batch_waits_with_its_pictures_and_holds_nothing(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, desk: Desk
) -> None:
    rows = products(tmp_path, "a mug", "a lamp", "a chair")
    first = run_rows(services, rows, "framed")
    assert (first.status, states(first), len(gateway.posts)) == ("waiting", ["waiting"] * 3, 3)
    assert all(row.reason and "waits for approval of brand" in row.reason for row in first.rows)
    planned = plan_batch(services, rows, "framed")
    assert planned.totals.stages == {"review": 3, "held": 3}
    assert (planned.totals.to_run, planned.totals.cost.ceiling, planned.totals.wanted) == (0, 0.0, {})
    say(desk, "approved", pictures(services, first)[1])
    second = run_rows(services, rows, "framed")
    assert (second.status, states(second)) == ("waiting", ["waiting", "done", "waiting"])
    assert len(gateway.posts) == 4
    for asset in (pictures(services, first)[0], pictures(services, first)[2]):
        say(desk, "approved", asset)
    third = run_rows(services, rows, "framed")
    assert (third.status, states(third)) == ("completed", ["done", "reused", "done"])
    assert len(gateway.posts) == 6


@pytest.mark.usefixtures("desk")
def test_a_wall_shows_what_waits_once(services: Services, tmp_path: Path) -> None:
    rows = run_rows(services, products(tmp_path, "a mug"), "tile")
    wall = Walls(services.backend).find(rows.batch_id, everything=False)
    assert [(tile.name, tile.state) for tile in wall.tiles] == [("draw.png", "output")]


def test_only_what_was_rejected_is_drawn_again_at_the_price_that_was_shown(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, desk: Desk
) -> None:
    rows = products(tmp_path, *(f"product {number}" for number in range(20)))
    made = pictures(services, run_rows(services, rows, "tile"))
    for number, asset in enumerate(made):
        if number < 3:
            say(desk, "rejected", asset, reason=f"crop number {number}")
        elif number < 5:
            say(desk, "commented", asset, reason="nice")
        else:
            say(desk, "approved", asset)
    planned = plan_batch(services, rows, "tile")
    assert planned.totals.stages == {"run": 3, "review": 2, "reuse": 15}
    shown, posts = planned.totals.cost, len(gateway.posts)
    second = carry_out(planned)
    assert second
    assert len(gateway.posts) - posts == 3
    assert second.spent_usd
    assert shown.low <= second.spent_usd <= shown.ceiling
    assert states(second) == ["waiting"] * 5 + ["reused"] * 15
    assert [asset.asset_id for asset in pictures(services, second)[3:]] == [a.asset_id for a in made[3:]]
    for number, asset in enumerate(pictures(services, second)[:3]):
        assert f'Not so: "crop number {number}".' in asset.prompt
        assert asset.asset_id != made[number].asset_id
    assert plan_batch(services, rows, "tile").totals.to_run == 0


def test_a_row_that_was_rejected_for_good_ends_and_the_others_go_on(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, desk: Desk
) -> None:
    rows = products(tmp_path, "a mug", "a lamp")
    for _ in range(2):
        mug = pictures(services, run_rows(services, rows, "framed"))[0]
        say(desk, "rejected", mug, reason="no")
    lamp = pictures(services, run_rows(services, rows, "framed"))[1]
    say(desk, "approved", lamp)
    last = run_rows(services, rows, "framed")
    assert (last.status, states(last)) == ("incomplete", ["rejected", "done"])
    assert len(gateway.posts) == 4


def test_what_another_stage_sees_is_what_was_approved_in_the_end(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, desk: Desk
) -> None:
    rows = products(tmp_path, "a mug")
    say(desk, "rejected", pictures(services, run_rows(services, rows, "framed"))[0], reason="no")
    again = pictures(services, run_rows(services, rows, "framed"))[0]
    say(desk, "approved", again)
    done = run_rows(services, rows, "framed")
    frame = pictures(services, done)[-1]
    assert frame.derived_from == (again.asset_id,)
    # Everything is known: the next plan asks for no record of it, and nothing is drawn.
    planned = plan_batch(services, rows, "framed")
    assert planned.totals.stages == {"reuse": 2}
    assert len(gateway.posts) == 3


def test_rows_that_share_a_picture_wait_together_and_pay_once(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, desk: Desk
) -> None:
    rows = products(tmp_path, "a mug", "a mug")
    first = run_rows(services, rows, "tile")
    assert (states(first), len(gateway.posts)) == (["waiting", "waiting"], 1)
    say(desk, "rejected", pictures(services, first)[0], reason="no")
    planned = plan_batch(services, rows, "tile")
    assert planned.totals.stages == {"run": 1, "shared": 1}
    carry_out(planned)
    assert len(gateway.posts) == 2
