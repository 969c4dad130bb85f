"""Whatever was paid for is listed, shown, exported and found, and can be accepted after the fact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assetmill.records import RunManifest
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.doubles import ScriptedGateway, always, image_item, png
from tests.millworks import run_here

WRONG = """
name: wrong
stages:
  - name: first
    prompt: Draw a mug.
    tools: [{type: image_generation, quality: low}]
    outputs: [{name: first.png}]
  - name: second
    prompt: Say what {{ inputs[0] }} shows, of {{ stages.first.outputs[0].name }}.
    inputs: [{from: first}]
    outputs: [{name: words.txt, kind: text}]
"""
CHECKED = """
name: checked
stages:
  - name: hero
    prompt: Draw a mug.
    tools: [{type: image_generation, quality: low}]
    outputs: [{name: hero.png, checks: {not_blank: true}}]
"""


@pytest.fixture
def pipelines() -> dict[str, str]:
    return {"wrong": WRONG, "checked": CHECKED}


def gateway_of(services: Services) -> ScriptedGateway:
    gateway = services.gateway
    assert isinstance(gateway, ScriptedGateway)
    return gateway


@pytest.fixture
def failed(services: Services) -> RunManifest:
    """A run whose only paid picture has another size than was asked for."""
    gateway_of(services).script = always(image_item(png(64, 48)))
    return run_here(services, "wrong")


def kept(assetmill: Terminal) -> list[dict[str, Any]]:
    return assetmill.document("assets", "--all")["assets"]


def test_files_of_failed_stages_are_listed_with_role_and_reason(
    failed: RunManifest, assetmill: Terminal
) -> None:
    (listed,) = kept(assetmill)
    assert (listed["name"], listed["role"], listed["run_id"]) == ("first.png", "output", failed.run_id)
    assert "64 px wide" in listed["reason"]
    assert (listed["pipeline"], listed["stage"]) == ("wrong", "first")
    assert assetmill.document("assets")["assets"] == []


def test_draws_that_checks_refused_are_listed_with_role_and_reason(
    services: Services, assetmill: Terminal
) -> None:
    gateway_of(services).script = always(image_item(png(1024, 1024)))
    assert run_here(services, "checked").status == "failed"
    (listed,) = kept(assetmill)
    assert (listed["name"], listed["role"]) == ("hero.png", "candidate")
    assert "not_blank" in listed["reason"]
    assetmill.document("accept", listed["asset_id"])
    (accepted,) = kept(assetmill)
    assert (accepted["asset_id"], accepted["role"]) == (listed["asset_id"], "output")


def test_a_failed_attempt_does_not_hide_what_the_next_one_made(
    failed: RunManifest, services: Services, assetmill: Terminal
) -> None:
    gateway_of(services).script = always(image_item(png(1024, 1024)))
    run_here(services, "wrong")
    (made,) = [one for one in assetmill.document("assets")["assets"] if one["stage"] == "first"]
    assert (made["name"], made["width"], made["role"]) == ("first.png", 1024, "output")
    widths = [one["width"] for one in kept(assetmill) if one["stage"] == "first"]
    assert sorted(widths) == [64, 1024]


def test_a_failed_stage_shows_what_it_kept(failed: RunManifest, assetmill: Terminal) -> None:
    (listed,) = assetmill.document("show", failed.run_id)["kept"]
    assert listed["name"] == "first.png"
    assert assetmill("show", failed.run_id) == 0
    assert listed["asset_id"] in assetmill.out


def test_what_a_failed_stage_kept_is_exported_by_id_and_by_run(
    failed: RunManifest, assetmill: Terminal, tmp_path: Path
) -> None:
    (listed,) = kept(assetmill)
    assert assetmill("export", listed["asset_id"], str(tmp_path / "one")) == 0
    assert assetmill("export", failed.run_id, str(tmp_path / "all"), "--all") == 0
    for folder in ("one", "all"):
        assert (tmp_path / folder / "first.png").read_bytes() == png(64, 48)


@pytest.mark.parametrize("how", ["id", "prefix", "place", "service"])
def test_a_kept_file_is_found_like_any_asset(failed: RunManifest, assetmill: Terminal, how: str) -> None:
    (listed,) = kept(assetmill)
    reference = {
        "id": listed["asset_id"],
        "prefix": listed["asset_id"][:-6],
        "place": f"{failed.run_id}/first/first.png",
        "service": listed["response_id"],
    }[how]
    assert assetmill("lineage", reference, "--format", "json") == 0, assetmill.err
    document = assetmill.document()
    assert document["asset_id"] == listed["asset_id"]
    assert document["assets"][0]["name"] == "first.png"


def test_an_accepted_file_is_the_stages_output_and_nothing_is_paid_again(
    failed: RunManifest, services: Services, assetmill: Terminal
) -> None:
    (listed,) = kept(assetmill)
    document = assetmill.document("accept", listed["asset_id"])
    assert document["decision"]["kind"] == "accepted"
    assert "64 px wide" in document["decision"]["reason"]
    gateway_of(services).script = always(
        {"type": "message", "content": [{"type": "output_text", "text": "a mug"}]}
    )
    again = run_here(services, "wrong")
    assert again.status == "completed"
    assert [(entry.label, entry.status) for entry in again.stages] == [
        ("first", "reused"),
        ("second", "done"),
    ]
    assert len(gateway_of(services).posts) == 2
    assert kept(assetmill)[0]["asset_id"].endswith("_01")


def test_a_stage_that_has_an_output_takes_no_other(failed: RunManifest, assetmill: Terminal) -> None:
    (listed,) = kept(assetmill)
    assert assetmill("accept", listed["asset_id"]) == 0
    assert assetmill("accept", listed["asset_id"]) == 2
    assert "has its output already: first.png" in assetmill.err


def test_a_draw_that_checks_refused_can_be_accepted(services: Services, assetmill: Terminal) -> None:
    gateway_of(services).script = always(image_item(png(1024, 1024)))
    assert run_here(services, "checked").status == "failed"
    (listed,) = assetmill.document("assets")["assets"]
    document = assetmill.document("accept", listed["asset_id"])
    assert document["decision"]["kind"] == "accepted"
    again = run_here(services, "checked")
    assert [(entry.label, entry.status) for entry in again.stages] == [("hero", "reused")]
    assert len(gateway_of(services).posts) == 1


def test_files_of_an_attempt_that_is_not_over_are_listed(services: Services, assetmill: Terminal) -> None:
    gateway_of(services).script = always(image_item(png(1024, 1024)))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    services.ledger.commit = die  # pyright: ignore[reportAttributeAccessIssue] - the process dies here
    with pytest.raises(KeyboardInterrupt):
        run_here(services, "wrong")
    (listed,) = kept(assetmill)
    assert (listed["name"], listed["role"], listed["width"]) == ("image-1.png", "candidate", 1024)
    assert "not over" in listed["reason"]


def test_a_name_that_could_not_be_kept_is_told(
    failed: RunManifest, assetmill: Terminal, tmp_path: Path
) -> None:
    (listed,) = kept(assetmill)
    (tmp_path / "first.png").write_bytes(b"mine")
    assert assetmill("export", listed["asset_id"], str(tmp_path)) == 0
    assert "'first.png' is written as first-2.png" in assetmill.err
    assert (tmp_path / "first.png").read_bytes() == b"mine"
