"""Which asset a reference means, where it comes from, and why stages ran."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.editing.orders import EditOrder
from assetmill.editing.run import begin_edit, carry_out_all
from assetmill.errors import NotFound
from assetmill.history.assets import AssetFinder
from assetmill.history.lineage import Direction, Family, as_json, as_mermaid, as_tree, trace
from assetmill.history.why import Difference, differences, explain
from assetmill.records import AssetRecord, RunManifest
from assetmill.stage.services import Services
from assetmill.store.index import Index
from assetmill.store.memory import MemoryStore
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, chain=CHAIN), MemoryStore(), painter())
    services.wait = lambda seconds: None
    yield services
    services.close()


@pytest.fixture
def run(services: Services) -> RunManifest:
    return run_here(services, "chain")


def finder(services: Services) -> AssetFinder:
    return AssetFinder(services.ledger, Index(services.backend, services.ledger))


def family(services: Services, asset: AssetRecord, *directions: Direction) -> Family:
    index = Index(services.backend, services.ledger)
    return trace(asset, services.ledger, index, directions or ("up", "down"))


def test_every_form_of_reference_finds_the_asset(
    services: Services, run: RunManifest, tmp_path: Path
) -> None:
    asset = run.assets()[0]
    exported = tmp_path / "some name.png"
    exported.write_bytes(services.blobs.get(asset.blob))
    assert asset.made_by is not None
    for reference in (
        asset.asset_id,
        asset.asset_id[:30],
        asset.made_by.response_id,
        f"{run.run_id}/first/first.png",
        f"{run.run_id[:18]}/first",
        "latest/first/first.png",
        str(exported),
    ):
        assert finder(services).find(reference).blob == asset.blob, reference


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        ("nothing", "give an asset ID"),
        ("ast_zzz", "give an asset ID"),
        ("ast_00000000_" + "a" * 52 + "_01", "does not have it"),
        ("latest/third/x.png", "has first, second"),
        ("latest/first/other.png", "made first.png"),
        ("no-run/first/first.png", "see `assetmill show`"),
        ("../../etc/shadow-no", "no file '../../etc"),
        ("a" * 5000, "no asset"),
        ("nul\0byte", "no asset"),
    ],
)
def test_a_reference_that_means_nothing_says_what_would(
    services: Services, run: RunManifest, reference: str, complaint: str
) -> None:
    with pytest.raises(NotFound) as caught:
        finder(services).find(reference)
    assert complaint in str(caught.value)


def test_a_file_that_the_store_does_not_know_is_said_to_be_one(
    services: Services, run: RunManifest, tmp_path: Path
) -> None:
    (tmp_path / "mine.png").write_bytes(b"other bytes")
    with pytest.raises(NotFound, match="assetmill import"):
        finder(services).find(str(tmp_path / "mine.png"))


def test_ancestors_and_descendants_are_traced_through_edits(services: Services, run: RunManifest) -> None:
    second = run.assets()[1]
    edit = begin_edit(EditOrder(second.asset_id, "make it red", box="5,5,40,40"), services, str(uuid.uuid4()))
    carry_out_all(edit)
    composite = edit.results["edit"]
    up = family(services, composite, "up")
    assert {member.asset.name for member in up.members.values() if member.asset} == {
        "second-edit.png",
        "second-provider.png",
        "second-mask.png",
        "second.png",
        "first.png",
    }
    down = family(services, run.assets()[0], "down")
    assert composite.asset_id in down.members
    assert (second.asset_id, composite.asset_id) in down.edges()


def test_the_three_forms_hold_what_made_each_asset(services: Services, run: RunManifest) -> None:
    found = family(services, run.assets()[1])
    document = json.loads(json.dumps(as_json(found)))
    first = next(asset for asset in document["assets"] if asset["name"] == "first.png")
    assert first["prompt"] == "Draw a teal mug."
    assert first["revised_prompt"] == "a teal picture"
    assert first["model"] == "gpt-5.6-luna"
    assert first["agent_version"] == "1"
    assert first["response_id"].startswith("resp_")
    assert first["cost_usd"] > 0
    assert document["edges"] == [{"parent": first["asset_id"], "child": document["asset_id"]}]
    tree = as_tree(found)
    assert "made from:\n└─ first.png  first  ast_" in tree
    assert "prompt: Draw a teal mug." in tree
    assert "a1 --> a0" in as_mermaid(found)


def test_a_parent_that_was_lost_is_shown_as_lost(services: Services, run: RunManifest) -> None:
    for entry in list(services.backend.list("v1/s/")):
        record = services.ledger.read_stage_of(run.assets()[0].asset_id)
        if record and record.stage == "first" and entry.key.endswith(record.fingerprint):
            services.backend.delete(entry.key)
    found = family(services, run.assets()[1], "up")
    assert "its record is lost" in as_tree(found)
    assert "(lost)" in as_mermaid(found)


def test_names_cannot_break_a_diagram(services: Services, run: RunManifest) -> None:
    asset = run.assets()[0].model_copy(update={"name": 'a"]; click a0 "javascript:x'})
    found = family(services, run.assets()[0], "up")
    member = found.members[found.root]
    hostile = Family(found.root, {found.root: type(member)(found.root, asset, member.record)}, {}, {})
    assert as_mermaid(hostile).count('"') == 2


def test_the_first_run_of_a_stage_says_so(services: Services, run: RunManifest) -> None:
    assert explain(services.ledger, "latest", "first").verdict == "first"


def test_a_reused_stage_names_the_run_that_made_it(services: Services, run: RunManifest) -> None:
    again = run_here(services, "chain")
    reason = explain(services.ledger, again.run_id, "first")
    assert (reason.verdict, reason.compared_with) == ("reused", run.run_id)


def test_a_changed_stage_names_the_field_that_changed(services: Services, run: RunManifest) -> None:
    again = run_here(services, "chain", subject="a red mug")
    reason = explain(services.ledger, again.run_id, "first")
    assert reason.verdict == "changed"
    assert reason.differences == (Difference("prompt", "Draw a teal mug.", "Draw a red mug."),)
    assert "because prompt changed" in reason.sentence


def test_differences_are_named_down_to_the_value() -> None:
    before = {"tools": [{"size": "1024x1024", "type": "t"}], "inputs": [["picture", "a.png", "sha256:1"]]}
    after = {
        "tools": [{"size": "1536x1024", "type": "t"}],
        "inputs": [["mask", "m.png", "sha256:3"], ["picture", "a.png", "sha256:2"]],
    }
    assert differences(before, after) == (
        Difference("tools[0].size", "1024x1024", "1536x1024"),
        Difference("inputs.picture a.png", "sha256:1", "sha256:2"),
        Difference("inputs.mask m.png", None, "sha256:3"),
    )


def test_a_stage_that_is_not_there_is_named(services: Services, run: RunManifest) -> None:
    with pytest.raises(NotFound, match="has first, second"):
        explain(services.ledger, "latest", "third")
