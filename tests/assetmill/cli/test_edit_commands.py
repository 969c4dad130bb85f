"""edit, import, lineage and why as a person types them."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path

import pytest

from assetmill.editing.orders import EditOrder
from assetmill.editing.run import EditRun, begin_edit, carry_out_all
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.doubles import png
from tests.millworks import run_here


def edited(services: Services, order: EditOrder) -> EditRun:
    run = begin_edit(order, services, str(uuid.uuid4()))
    assert carry_out_all(run).status == "completed"
    return run


def test_an_edit_that_is_there_is_shown_without_any_service(services: Services, assetmill: Terminal) -> None:
    run_here(services, "chain")
    first = edited(services, EditOrder("latest/first/first.png", "make it red", box="10,10,90,90"))
    asset = first.subject.asset.asset_id
    found = assetmill.document("edit", asset, "make it red", "--box", "10,10,90,90")
    assert (found["status"], found["spent_usd"]) == ("completed", 0.0)
    assert [result["asset_id"] for result in found["results"]] == [first.results["edit"].asset_id]
    assert found["results"][0]["data"]["largest_difference_outside"] == 0
    assert Path(found["files"][0]).read_bytes() == services.blobs.get(first.results["edit"].blob)
    assert assetmill("edit", found["files"][0], " ", "--json") == 2


def test_latest_is_the_newest_run_that_has_the_stage(services: Services, assetmill: Terminal) -> None:
    chain = run_here(services, "chain")
    order = EditOrder("latest/first/first.png", "make it red")
    first = edited(services, order)
    begun = begin_edit(dataclasses.replace(order, instruction="make it blue"), services, str(uuid.uuid4()))
    # Killed: it has a start and no end. What comes after it is the same edit, and not another's.
    for instruction, results in (("make it red", first.results), ("make it blue", None)):
        again = edited(services, dataclasses.replace(order, instruction=instruction))
        assert again.subject.asset.asset_id == chain.assets()[0].asset_id
        assert results in (None, again.results)
    assert again.calls["edit"].fingerprint == begun.calls["edit"].fingerprint
    assert assetmill.document("why", "latest", "second")["status"] == "done"
    assert assetmill("edit", "latest/third/first.png", "make it red") == 2
    assert "has edit" in assetmill.err


def test_the_summary_says_what_stayed(services: Services, assetmill: Terminal) -> None:
    run_here(services, "chain")
    edited(services, EditOrder("latest/first/first.png", "make it red", box="10,10,90,90"))
    edited(services, EditOrder("latest/edit/first-provider.png", "make it red"))
    first = services.ledger.latest_manifest("chain")
    assert first is not None
    asset = first.assets()[0].asset_id
    assert assetmill("edit", asset, "make it red", "--box", "10,10,90,90") == 0
    assert "outside the mask the largest difference is 0" in assetmill.out
    edited(services, EditOrder(asset, "make it red"))
    assert assetmill("edit", asset, "make it red") == 0
    assert "% of the pixels changed; no mask said where" in assetmill.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("edit", "nothing", "make it red"), "no asset 'nothing'"),
        (("edit", "latest/first/first.png", "x", "--box", "1,2"), "write X,Y,W,H"),
        (("edit", "latest/first/first.png", "x", "--box", "1,1,2,2", "--mask-from-alpha"), "give one of"),
        (("edit", "latest/first/first.png", "x", "-n", "99"), "1<=x<=16"),
        (("lineage", "nothing"), "no asset 'nothing'"),
        (("why", "latest", "third"), "has first, second"),
        (("import", "nothing.png"), "cannot read 'nothing.png'"),
    ],
)
def test_what_is_not_valid_is_said_and_nothing_is_started(
    services: Services, assetmill: Terminal, arguments: tuple[str, ...], complaint: str
) -> None:
    run_here(services, "chain")
    assert assetmill(*arguments) == 2
    assert complaint in assetmill.err
    assert "Traceback" not in assetmill.err


def test_import_names_each_asset_once(services: Services, assetmill: Terminal, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(8, 8))
    (tmp_path / "b.md").write_text("# words")
    files = (str(tmp_path / "a.png"), str(tmp_path / "b.md"))
    found = assetmill.document("import", *files)
    assert [asset["name"] for asset in found["assets"]] == ["a.png", "b.md"]
    assert assetmill("import", *files) == 0
    assert assetmill.out.count("(was there already)") == 2


def test_lineage_in_its_three_forms(services: Services, assetmill: Terminal) -> None:
    manifest = run_here(services, "chain")
    second = manifest.assets()[1].asset_id
    assert assetmill("lineage", second) == 0
    assert "made from:\n└─ first.png" in assetmill.out
    assert assetmill("lineage", second, "--up", "--format", "json") == 0
    document = assetmill.document()
    assert [asset["name"] for asset in document["assets"]] == ["second.png", "first.png"]
    assert assetmill("lineage", manifest.assets()[0].asset_id, "--down", "--format", "mermaid") == 0
    assert "a0 --> a1" in assetmill.out


def test_why_names_the_field(services: Services, assetmill: Terminal) -> None:
    run_here(services, "chain")
    run_here(services, "chain", subject="a red mug")
    assert assetmill("why", "latest", "first") == 0
    assert "because prompt changed" in assetmill.out
    assert "'Draw a teal mug.' -> 'Draw a red mug.'" in assetmill.out
    document = assetmill.document("why", "latest", "first")
    assert document["verdict"] == "changed"
    assert document["differences"][0]["field"] == "prompt"
