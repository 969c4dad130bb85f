"""What can never come true is refused when the file is read or planned, before anything is paid for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.errors import InvalidSpec
from assetmill.plan.calls import StageCall
from assetmill.spec.file_kinds import kind_of_name
from tests.written import plan_of, written

DRAWS = "[image_generation]"
CODES = "[code_interpreter]"
BOTH = "[image_generation, code_interpreter]"


def planned(folder: Path, tools: str, output: str, more: str = "") -> StageCall:
    text = f"""
parameters: {{word: {{default: totals}}, ending: {{default: csv}}}}
stages:
  - name: make
    prompt: Make it.
    tools: {tools}
    outputs: [{output}]
{more}"""
    (stage,) = plan_of(written(folder, text)).stages
    assert stage.call is not None
    return stage.call


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("poster.png", "picture"),
        ("poster.JPG", "picture"),
        ("logo.svg", "picture"),
        ("poster", "picture"),
        ("{{ sku }}.webp", "picture"),
        ("totals.csv", "data"),
        ("{{ sku }}.csv", "data"),
        ("totals.json", "data"),
        ("totals.xlsx", "data"),
        ("caption.txt", "text"),
        ("README.md", "text"),
        ("page.html", "text"),
        ("report.pdf", "document"),
        ("all.zip", "document"),
    ],
)
def test_a_kind_follows_from_the_suffix(name: str, kind: str) -> None:
    assert kind_of_name(name) == kind


@pytest.mark.parametrize(
    ("tools", "output", "kind"),
    [
        (CODES, "{name: totals.csv}", "data"),
        (CODES, "{name: totals, format: csv}", "data"),
        (CODES, "{name: totals.csv, kind: document}", "document"),
        ("[]", "{name: caption.txt}", "text"),
        (BOTH, "{name: report.pdf}", "document"),
        (CODES, "{name: chart.svg, kind: chart}", "chart"),
    ],
)
def test_what_can_be_made_is_planned_as_its_kind(tmp_path: Path, tools: str, output: str, kind: str) -> None:
    (expected,) = planned(tmp_path, tools, output).outputs
    assert expected.kind == kind


def test_an_answer_after_a_schema_is_data(tmp_path: Path) -> None:
    schema = "    schema: {type: object, properties: {a: {type: string}}}\n"
    (expected,) = planned(tmp_path, "[]", "{name: answer.json}", schema).outputs
    assert expected.kind == "data"


@pytest.mark.parametrize(
    ("tools", "output", "words"),
    [
        (DRAWS, "{name: cats.csv}", "image_generation makes pictures, not 'data'"),
        (DRAWS, "{name: cats.csv, kind: picture}", "image_generation writes png, jpeg, webp, not csv"),
        (DRAWS, "{name: cats.gif}", "image_generation writes png, jpeg, webp, not gif"),
        (DRAWS, "{name: cats.svg}", "not svg"),
        (DRAWS, "{name: cats.png, format: jpeg}", r"'cats\.png' cannot be jpeg"),
        (CODES, "{name: cats.png, format: jpg}", r"'cats\.png' cannot be jpg"),
        (CODES, "{name: cats.bmp}", "no bmp is examined here"),
        (CODES, "{name: totals.csv, kind: picture}", r"'totals\.csv' is no picture"),
        (CODES, "{name: totals.csv, kind: chart}", r"'totals\.csv' is no chart"),
        (CODES, "{name: totals.png, kind: data}", r"'totals\.png' is no data"),
        (CODES, "{name: words.png, kind: text}", r"'words\.png' is no text"),
        ("[]", "{name: report.pdf, kind: text}", "words alone make no pdf"),
        (CODES, "{name: cats.jpg, alpha: true}", "jpeg has no alpha channel"),
        (CODES, "{name: cats.jpg, checks: {alpha: true}}", "jpeg has no alpha channel"),
        (CODES, "{name: cats.png, alpha: false, checks: {alpha: true}}", "ask for the opposite"),
        ("[{type: image_generation, background: opaque}]", "{name: c.png, alpha: true}", "opaque background"),
        ("[{type: image_generation, background: transparent}]", "{name: c.png, alpha: false}", "transparent"),
        (DRAWS, '{name: c.png, pattern: "poster*.png"}', "never matches"),
        (DRAWS, '{name: c.png, pattern: "*.webp"}', "never matches"),
        (DRAWS, '{name: c.png, count: 3, pattern: "image-1.*"}', "never matches"),
        (CODES, '{name: c.png, pattern: "*.csv"}', r"what '\*\.csv' matches is no picture"),
        (CODES, '{name: c.png, pattern: "*.gif"}', r"what '\*\.gif' matches is no png"),
        (CODES, "{name: c.png, checks: {format: jpeg}}", "is to be png and is checked to be jpeg"),
        (CODES, "{name: c.png, size: 100x100, checks: {size: 200x200}}", "is checked to be 200x200"),
        (CODES, '{name: c.png, size: 100x100, checks: {aspect: "16:9"}}', "100x100 is not 16:9"),
        (DRAWS, '{name: "{{ word }}.{{ ending }}"}', "image_generation writes png, jpeg, webp, not csv"),
        (CODES, '{name: "{{ word }}.{{ ending }}"}', r"'totals\.csv' is no picture"),
    ],
)
def test_what_can_never_be_made_is_refused(tmp_path: Path, tools: str, output: str, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        planned(tmp_path, tools, output)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("    tool_choice: none\n", "without a tool nothing makes"),
        ("    max_tool_calls: 1\n", "2 pictures need as many calls, and 1 are allowed"),
    ],
)
def test_tools_that_may_not_be_called_make_nothing(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        planned(tmp_path, DRAWS, "{name: c.png, count: 2}", more)


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        ("{type: object, properties: {b: {type: string}}}", "must be closed and require all"),
        ("{type: array, items: {type: object, properties: {}}}", "items of 'a' must be closed"),
        ("{oneOf: [{type: string}, {type: number}]}", "uses oneOf"),
    ],
)
def test_a_strict_schema_that_the_service_refuses_is_refused_here(
    tmp_path: Path, inner: str, words: str
) -> None:
    outer = "type: object, additionalProperties: false, required: [a]"
    with pytest.raises(InvalidSpec, match=words):
        planned(tmp_path, "[]", "", f"    schema: {{{outer}, properties: {{a: {inner}}}}}\n")


def test_an_open_schema_may_hold_what_a_strict_one_may_not(tmp_path: Path) -> None:
    inner = "{oneOf: [{type: string}, {type: number}]}"
    call = planned(tmp_path, "[]", "", f"    schema: {{type: object, properties: {{a: {inner}}}}}\n")
    assert call.text_format is not None
    assert call.text_format["strict"] is False


def test_a_stage_that_waits_for_another_is_refused_before_that_is_paid_for(tmp_path: Path) -> None:
    text = """
parameters: {ending: {default: gif}}
stages:
  - {name: first, prompt: Draw., tools: [image_generation]}
  - name: second
    prompt: Draw it again.
    tools: [image_generation]
    inputs: [{from: first}]
    outputs: [{name: "again.{{ ending }}"}]
"""
    with pytest.raises(InvalidSpec, match="stage 'second': image_generation writes png, jpeg, webp, not gif"):
        plan_of(written(tmp_path, text))
