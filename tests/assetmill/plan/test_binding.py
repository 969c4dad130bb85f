from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from assetmill.errors import InvalidSpec
from assetmill.plan.binder import ProfileDefaults
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import make_plan
from assetmill.spec.pipeline import LoadedPipeline
from tests.photos import encoded, heights, moving
from tests.written import DEFAULTS, TODAY, plan_of, record_of, written

Write = Callable[[str], LoadedPipeline]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return functools.partial(written, tmp_path)


TWO = """
stages:
  - name: hero
    prompt: Draw a lamp
    tools: [image_generation]
  - name: crop
    prompt: Crop it
    tools: [code_interpreter]
    inputs: [{from: hero}]
    outputs: [{name: crop.png}]
"""


def test_local_files_decide_by_content(write: Write, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    pipeline = write(
        "stages:\n  - {name: s, prompt: chart, tools: [code_interpreter], inputs: [{file: data.csv}]}\n"
    )
    (before,) = plan_of(pipeline).stages
    assert before.call is not None
    (bound,) = before.call.inputs
    assert (bound.name, bound.role, bound.blob.size_bytes, bound.blob.media_type) == (
        "data.csv", "container_file", 8, "text/csv"
    )  # fmt: skip
    assert bound.path == str(tmp_path / "data.csv")
    (tmp_path / "data.csv").write_text("a,b\n1,3\n")
    (after,) = plan_of(pipeline).stages
    assert after.call is not None
    assert after.call.fingerprint != before.call.fingerprint


def test_knowledge_counts_for_the_stages_that_search_it(write: Write, tmp_path: Path) -> None:
    (tmp_path / "brand.md").write_text("amber")
    pipeline = write("""
knowledge: {brand: [brand.md]}
stages:
  - {name: a, prompt: find, tools: [file_search]}
  - {name: b, prompt: find}
""")
    before = [s.call.fingerprint for s in plan_of(pipeline).stages if s.call]
    (tmp_path / "brand.md").write_text("teal")
    after = [s.call.fingerprint for s in plan_of(pipeline).stages if s.call]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_an_image_stage_gets_bounded_defaults_and_its_output(write: Write) -> None:
    (stage,) = plan_of(write("stages: [{name: hero, prompt: Draw, tools: [image_generation]}]")).stages
    assert stage.call is not None
    assert stage.call.tools == (
        {"type": "image_generation", "model": "gpt-image-1.5", "size": "1024x1024", "quality": "medium",
         "output_format": "png"},
    )  # fmt: skip
    (output,) = stage.call.outputs
    assert (output.name, output.width, output.height, output.format) == ("hero.png", 1024, 1024, "png")
    assert stage.call.image_deployment == "pictures"


def image_stage(options: str, outputs: str = "") -> str:
    head = "stages:\n  - name: hero\n    prompt: Draw\n    tools:\n"
    return f"{head}      - {{type: image_generation, {options}}}\n{outputs}"


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            "size: 1200x630",
            "gpt-image-1.5 has no size 1200x630",
            "draw 1536x1024 and let code_interpreter crop",
        ),
        ("size: huge", "'huge' is not a size", "WIDTHxHEIGHT"),
        ("quality: hihg", "has no quality 'hihg'", "did you mean 'high'?"),
        ("quality: max", "has no quality 'max'", "there are: auto, high, low, medium"),
        ("model: gpt-image-1", "was retired on 2026-10-23", "use gpt-image-2"),
        ("model: gpt-image-3", "unknown image model 'gpt-image-3'", "did you mean 'gpt-image-2'?"),
        ("output_format: gif", "has no output_format 'gif'", "there are: jpeg, png, webp"),
        ("background: transparent, output_format: jpeg", "jpeg has no transparency", "use output_format png"),
        ("output_compression: 50", "png is not compressed", "use jpeg or webp"),
        ("model: gpt-image-2, input_fidelity: high", "does not take input_fidelity", "leave it out"),
        ("model: gpt-image-2, size: 1200x630", "does not draw 1200x630", "the nearest is 1200x640"),
        ("model: gpt-image-2, size: 512x512", "does not draw 512x512", "262144 pixels"),
        ("model: gpt-image-2, size: 3200x1024", "does not draw 3200x1024", "sides are at most 1:3"),
        ("action: paint", "has no action 'paint'", "there are: auto, edit, generate"),
    ],
)
def test_image_options_are_checked_before_anything_is_spent(
    write: Write, options: str, message: str, hint: str
) -> None:
    with pytest.raises(InvalidSpec) as caught:
        plan_of(write(image_stage(options)))
    text = str(caught.value)
    assert message in text
    assert hint in text
    assert "p.yaml:6: " in text


def test_options_of_stages_that_wait_are_checked_too(write: Write) -> None:
    text = TWO.replace("tools: [code_interpreter]", "tools: [{type: image_generation, size: 9x9}]")
    with pytest.raises(InvalidSpec, match="has no size 9x9"):
        plan_of(write(text))


def test_an_output_that_the_tool_does_not_draw_is_refused(write: Write) -> None:
    outputs = "    outputs: [{name: hero.png, size: 1200x630}]\n"
    with pytest.raises(InvalidSpec, match="the tool draws 1024x1024, not 1200x630"):
        plan_of(write(image_stage("size: 1024x1024", outputs)))


def test_a_model_that_is_retired_soon_is_warned_about(write: Write) -> None:
    pipeline = write(image_stage("quality: low"))
    warning = "image model 'gpt-image-1.5' is retired on 2026-12-16 (azure); use gpt-image-2"
    assert make_plan(pipeline, {}, defaults=DEFAULTS, today=TODAY).warnings == (warning,)
    before = datetime.date(2026, 8, 1)
    assert make_plan(pipeline, {}, defaults=DEFAULTS, today=before).warnings == ()
    later = datetime.date(2026, 12, 17)
    with pytest.raises(InvalidSpec, match=r"was retired on 2026-12-16 \(azure\) \(use gpt-image-2\)"):
        make_plan(pipeline, {}, defaults=DEFAULTS, today=later)
    there = ProfileDefaults("m", "gpt-image-1.5", provider="openai")
    with pytest.raises(InvalidSpec, match=r"was retired on 2026-12-01 \(openai\)"):
        make_plan(pipeline, {}, defaults=there, today=later)
    emulated = dataclasses.replace(DEFAULTS, is_emulated=True)
    plan = make_plan(pipeline, {}, defaults=emulated, today=later)
    assert plan.warnings == (warning.replace("is retired", "was retired"),)


def test_a_chat_model_that_is_retired_soon_is_warned_about_and_stops_nothing(write: Write) -> None:
    pipeline = write(image_stage("quality: low"))
    defaults = ProfileDefaults("gpt-5-mini", "gpt-image-2")
    warning = "model 'gpt-5-mini' is retired on 2027-02-09 (azure); use gpt-5.4-mini"
    assert make_plan(pipeline, {}, defaults=defaults, today=TODAY).warnings == (warning,)


def test_effort_and_complexity_decide_only_where_they_are_set(write: Write) -> None:
    defaults = ProfileDefaults("gpt-5.6-luna", "gpt-image-2.6-flare", provider="openai")

    def made(options: str, rest: str = "") -> StageCall:
        plan = make_plan(write(image_stage(options) + rest), {}, defaults=defaults, today=TODAY)
        assert plan.stages[0].call
        return plan.stages[0].call

    plain = made("quality: low")
    assert "effort" not in plain.deciding()
    assert "complexity" not in plain.tools[0]
    complex_ = made("quality: low, complexity: high")
    assert complex_.tools[0]["complexity"] == "high"
    thinking = made("quality: low", "    reasoning: low\n")
    assert thinking.deciding()["effort"] == "low"
    assert len({call.fingerprint for call in (plain, complex_, thinking)}) == 3


def test_a_model_that_does_not_reason_takes_no_effort(write: Write) -> None:
    defaults = ProfileDefaults("gpt-4.1", "gpt-image-2")
    with pytest.raises(InvalidSpec, match=r"gpt-4\.1 does not reason"):
        make_plan(
            write(image_stage("quality: low") + "    reasoning: low\n"), {}, defaults=defaults, today=TODAY
        )
    with pytest.raises(InvalidSpec, match="gpt-image-2 does not take complexity"):
        make_plan(write(image_stage("complexity: low")), {}, defaults=defaults, today=TODAY)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{file: none.csv}", "cannot read"),
        ("{file: '.'}", "not a regular file"),
        ("{asset: ast_1}", "no asset 'ast_1' in this store"),
        ("{url: 'https://example.com/x.png'}", "an address cannot be fetched here"),
        ("{file: p.yaml, as: picture}", "application/yaml cannot be a picture"),
    ],
)
def test_inputs_that_cannot_be_had_are_named_with_their_line(write: Write, entry: str, message: str) -> None:
    tools = "[code_interpreter, image_generation]"
    text = f"stages:\n  - name: s\n    prompt: x\n    tools: {tools}\n    inputs:\n      - {entry}\n"
    with pytest.raises(InvalidSpec) as caught:
        plan_of(write(text))
    assert message in str(caught.value)
    assert "p.yaml:7: " in str(caught.value)


PICTURE = encoded(Image.radial_gradient("L"))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("cut.png", PICTURE[:-40], "the PNG is cut short"),
        ("scan.png", encoded(Image.radial_gradient("L"), "BMP"), "it is BMP, which is not taken"),
        ("phone.jpg", b"version https://git-lfs.github.com/spec/v1\n", "`git lfs pull` brings the picture"),
    ],
)
@pytest.mark.parametrize("as_", ["picture", "mask"])
def test_a_picture_that_cannot_be_taken_is_named_by_the_plan(
    write: Write, tmp_path: Path, *, name: str, data: bytes, words: str, as_: str
) -> None:
    (tmp_path / name).write_bytes(data)
    stage = "stages:\n  - name: s\n    prompt: x\n    tools: [image_generation]\n"
    pipeline = write(f"{stage}    inputs: [{{file: {name}, as: {as_}}}]\n")
    with pytest.raises(InvalidSpec, match=words):
        plan_of(pipeline)


def test_a_fetched_address_is_bound_by_content(write: Write, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(PICTURE)
    text = "stages: [{name: s, prompt: look, inputs: [{url: 'https://example.com/x.png'}]}]"
    plan = make_plan(write(text), {}, defaults=DEFAULTS, fetch=lambda _: tmp_path / "x.png", today=TODAY)
    call = plan.stages[0].call
    assert call is not None
    assert (call.inputs[0].role, call.inputs[0].blob.media_type) == ("picture", "image/png")


def test_an_upstream_that_made_something_else_is_named_when_bound(write: Write) -> None:
    plan = plan_of(write(TWO.replace("{from: hero}", "{from: hero, output: '*.webp'}")))
    hero = plan.stages[0].call
    assert hero is not None
    with pytest.raises(InvalidSpec, match=r"stage 'hero' has no output '\*.webp'"):
        plan.bind("crop", {"hero": record_of(hero)})


def test_two_inputs_of_one_name_are_refused(write: Write, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    entries = "[{file: a.csv}, {file: a.csv}]"
    with pytest.raises(InvalidSpec, match=r"two inputs are called 'a.csv'"):
        plan_of(write(f"stages: [{{name: s, prompt: x, tools: [code_interpreter], inputs: {entries}}}]"))


def test_what_the_emulator_made_never_passes_for_the_real_service(write: Write) -> None:
    """Both may share a store, and neither must find the other's pictures."""
    pipeline = write(TWO)
    fingerprints: set[str] = set()
    for is_emulated in (True, False):
        defaults = dataclasses.replace(DEFAULTS, is_emulated=is_emulated)
        hero = make_plan(pipeline, {}, defaults=defaults, today=TODAY).stages[0]
        assert hero.call is not None
        fingerprints.add(hero.call.fingerprint)
    assert len(fingerprints) == 2


@pytest.mark.parametrize(
    ("name", "data", "lost"),
    [
        ("deep.png", heights(0, 65535), "16 bits a channel become 8"),
        ("print.jpg", encoded(Image.new("CMYK", (64, 48)), "JPEG"), "CMYK becomes RGB"),
        ("moving.gif", moving("red", "blue"), "of 2 frames the first alone is left"),
        ("plain.png", encoded(Image.new("RGB", (64, 48))), ""),
    ],
    ids=["deep", "print", "moving", "plain"],
)
def test_what_of_an_input_picture_gets_lost_is_said_before_it_is_paid(
    write: Write, tmp_path: Path, name: str, data: bytes, lost: str
) -> None:
    (tmp_path / name).write_bytes(data)
    pipeline = write(
        "stages:\n  - {name: s, prompt: draw, tools: [image_generation], "
        f"inputs: [{{file: {name}}}], outputs: [{{name: s.png}}]}}\n"
    )
    warnings = make_plan(pipeline, {}, defaults=DEFAULTS, today=TODAY).warnings
    told = [text for text in warnings if name in text]
    assert [text.endswith(lost) for text in told] == ([True] if lost else [])


def test_a_password_in_an_address_is_refused_and_not_said(write: Write) -> None:
    with pytest.raises(InvalidSpec) as refused:
        write(
            "stages:\n  - {name: s, prompt: draw, tools: [{type: mcp, server_label: x, "
            "server_url: 'https://me:hunter2@x.y/mcp'}]}\n"
        )
    assert "headers_from" in str(refused.value)
    assert "hunter2" not in str(refused.value)
