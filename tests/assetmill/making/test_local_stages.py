"""A stage with `make` runs like every other: planned, recorded, reused, and free."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from assetmill.errors import InvalidSpec
from assetmill.records import RunManifest, StageRecord
from assetmill.runs.planning import plan_pipeline
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway
from tests.millworks import painter, run_here, services_on, settings_in

SIZES = """
name: sizes
parameters:
  side: {default: "600x315"}
stages:
  - name: hero
    prompt: Draw a mug.
    tools: [{type: image_generation, quality: low}]
    outputs: [{name: hero.png}]
  - name: cuts
    make:
      - {from: hero, resize: "{{ side }}", save: wide.jpg}
      - {from: hero, resize: 50%, save: half.webp}
      - {from: wide.jpg, crop: "1:1", save: square.png}
"""

LOCAL = """
name: local
stages:
  - name: cuts
    inputs: [{file: photo.png}]
    make:
      - {from: photo, resize: 20x, save: small.png}
"""


def _record(manifest: RunManifest, stage: str) -> StageRecord:
    record = next(entry.record for entry in manifest.stages if entry.stage == stage)
    assert record is not None
    return record


def _services(folder: Path, **pipelines: str) -> Services:
    return services_on(settings_in(folder, **pipelines), MemoryStore(), painter())


def test_files_are_made_from_the_stage_before_and_recorded_like_paid_ones(tmp_path: Path) -> None:
    services = _services(tmp_path, sizes=SIZES)
    manifest = run_here(services, "sizes")
    hero, cuts = _record(manifest, "hero"), _record(manifest, "cuts")
    assert [(one.name, one.width, one.height) for one in cuts.outputs] == [
        ("wide.jpg", 600, 315), ("half.webp", 512, 512), ("square.png", 315, 315),
    ]  # fmt: skip
    for one in cuts.outputs:
        with Image.open(io.BytesIO(services.blobs.get(one.blob))) as picture:
            assert picture.size == (one.width, one.height)
        assert one.derived_from == (hero.outputs[0].asset_id,)
    assert (cuts.cost_usd, cuts.made_by, set(cuts.made_with)) == (0.0, (), {"pillow"})
    assert manifest.spent_usd == hero.cost_usd


def test_what_was_made_is_found_again_and_another_size_makes_only_the_local_stage(tmp_path: Path) -> None:
    services = _services(tmp_path, sizes=SIZES)
    run_here(services, "sizes")
    again = run_here(services, "sizes")
    assert {entry.status for entry in again.stages} == {"reused"}
    other = run_here(services, "sizes", side="300x300")
    assert [entry.status for entry in other.stages] == ["reused", "done"]
    assert other.spent_usd == 0.0


def test_the_same_inputs_give_the_same_bytes_in_another_store(tmp_path: Path) -> None:
    first, second = (
        _record(run_here(_services(tmp_path / name, sizes=SIZES), "sizes"), "cuts") for name in ("one", "two")
    )
    assert [one.blob.digest for one in first.outputs] == [one.blob.digest for one in second.outputs]
    assert first.fingerprint == second.fingerprint


def test_a_plan_says_that_it_is_free_and_asks_nobody(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, sizes=SIZES)
    plan = plan_pipeline("sizes", {}, settings, None)
    hero, cuts = plan.stages
    assert cuts.cost is not None
    assert (cuts.status, cuts.cost.ceiling) == ("after_upstream", 0.0)
    assert hero.cost == plan.cost


def test_a_run_of_local_stages_alone_needs_no_service(tmp_path: Path) -> None:
    def nobody(*_: object) -> ScriptedGateway:
        raise AssertionError("a service was opened")

    settings = settings_in(tmp_path, local=LOCAL)
    Image.new("RGB", (40, 30), "teal").save(settings.configs / "pipelines" / "photo.png")
    services = Services(settings, MemoryStore(), nobody)
    manifest = run_here(services, "local")
    assert manifest.status == "completed"
    assert [(one.width, one.height) for one in _record(manifest, "cuts").outputs] == [(20, 15)]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        ("{from: hero, fit: pad, save: a.png}", "give resize"),
        ("{from: hero, save: a.png, quality: 80}", "has no quality"),
        ("{from: hero, save: a.bmp}", "saved as .png"),
        ("{from: hero, resize: large, save: a.png}", "write 1200x630"),
        ("{from: hero, resize: 90000x10, save: a.png}", "1 to 16384"),
        ("{from: hero, crop: 1 2 3, save: a.png}", "not a box"),
        ("{from: hero, resize: 10x10}", "give save"),
        ("{from: nobody, save: a.png}", "unknown stage 'nobody'"),
        ("{from: hero, resize: 10x10, fit: exact, focus: entropy, save: a.png}", "nothing is cut off"),
        ("{from: hero, sharpen: 3, save: a.png}", "unknown key 'sharpen'"),
        ("{save: a.png}", "one of from and canvas"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_line(tmp_path: Path, make: str, told: str) -> None:
    text = f"""
name: wrong
stages:
  - name: hero
    prompt: Draw a mug.
    tools: [image_generation]
  - name: cuts
    make:
      - {make}
"""
    with pytest.raises(InvalidSpec, match=told) as caught:
        plan_pipeline("wrong", {}, settings_in(tmp_path, wrong=text), None)
    assert "wrong.yaml:9:" in str(caught.value)


def test_what_is_for_agents_is_refused_beside_make(tmp_path: Path) -> None:
    text = LOCAL.replace("    make:", "    tools: [code_interpreter]\n    make:")
    with pytest.raises(InvalidSpec, match="tools is for an agent"):
        plan_pipeline("local", {}, settings_in(tmp_path, local=text), None)


def test_an_input_that_is_no_picture_fails_its_stage_with_the_entry(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, local=LOCAL.replace("photo.png", "photo.csv"))
    (settings.configs / "pipelines" / "photo.csv").write_text("a,b\n")
    manifest = run_here(services_on(settings, MemoryStore(), painter()), "local")
    assert manifest.stages[0].status == "failed"
    assert "small.png: photo.csv cannot be opened" in str(manifest.stages[0].error)


def test_what_an_older_library_made_is_kept_and_a_new_edition_makes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = _services(
        tmp_path, sizes=SIZES, anew=SIZES.replace("- name: cuts", "- name: cuts\n    edition: 2")
    )
    first = _record(run_here(services, "sizes"), "cuts")
    monkeypatch.setattr("assetmill.making.versions.installed", "99.0 of {}".format)
    plan = plan_pipeline("sizes", {}, services.settings, services.ledger)
    assert plan.stages[1].status == "reuse"
    assert "(here 99.0 of pillow): kept, a new `edition` makes it again" in plan.stages[1].reason
    anew = _record(run_here(services, "anew"), "cuts")
    assert anew.fingerprint != first.fingerprint
    assert anew.made_with == {"pillow": "99.0 of pillow"}
