"""Checks as a person writes them: short forms, templates, and mistakes named with their line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from assetmill.errors import InvalidSpec
from assetmill.spec.loading import load_pipeline
from assetmill.spec.output_checks import ChecksSpec, parse_ratio

CONFIGS = Path(__file__).parents[3] / "configs"


def loaded(folder: Path, checks: str, kind: str = "picture", name: str = "hero.png") -> ChecksSpec:
    (folder / "pipelines").mkdir(exist_ok=True)
    shutil.copy(CONFIGS / "image_models.toml", folder)
    text = f"""name: one
parameters: {{word: {{default: SALE}}}}
stages:
  - name: hero
    prompt: Draw.
    tools: [image_generation, code_interpreter]
    outputs:
      - name: {name}
        kind: {kind}
        checks:
          {checks}
"""
    (folder / "pipelines" / "one.yaml").write_text(text)
    checked = load_pipeline("one", folder).spec.stages[0].outputs[0].checks
    assert checked is not None
    return checked


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"palette": "#fff"}, {"palette": {"colours": ["#fff"]}}),
        ({"text": ["a", "b"]}, {"text": {"contains": ["a", "b"]}}),
        ({"judge": "A mug."}, {"judge": {"rubric": "A mug."}}),
        ({"judge": ["Is it a mug?"]}, {"judge": {"questions": ["Is it a mug?"]}}),
        ({"not_duplicate": True}, {"not_duplicate": {}}),
        ({"max_bytes": "2 KB"}, {"max_bytes": 2000}),
    ],
)
def test_a_check_may_be_written_as_its_value(short: dict[str, Any], long: dict[str, Any]) -> None:
    assert ChecksSpec.model_validate(short) == ChecksSpec.model_validate(long)


def test_what_is_not_asked_decides_nothing() -> None:
    """A check that was written before a word was known has the facts, and so the fingerprint, that it had."""
    facts = ChecksSpec.model_validate({"judge": "A mug."}).facts()
    assert facts == {"judge": {"rubric": "A mug.", "pass_score": 0.7}}


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        ({}, "give one of rubric and questions"),
        ({"rubric": "a", "questions": ["b"]}, "give one of rubric and questions"),
        ({"rubric": "a", "model": "b", "judges": ["c"]}, "give one of model and judges"),
        ({"rubric": "a", "judges": ["c", "c"]}, "two of the judges are the same"),
        ({"questions": ["c", "c"]}, "two of the questions are the same"),
        ({"questions": []}, "at least 1 item"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_refused(judge: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ChecksSpec.model_validate({"judge": judge})


def test_what_is_asked_survives_its_own_facts() -> None:
    asked = ChecksSpec.model_validate(
        {"size": "8x8", "palette": "#fff", "text": "a", "judge": "b", "not_duplicate": True, "max_bytes": 9}
    )
    assert ChecksSpec.model_validate(asked.facts()) == asked


def test_templates_are_written_wherever_they_stand(tmp_path: Path) -> None:
    checks = loaded(tmp_path, 'text: {contains: ["{{ word }}", now]}')
    found = dict(checks.texts(()))
    assert found == {("text", "contains", 0): "{{ word }}"}
    written = checks.written((), lambda where, text: text.replace("{{ word }}", "SALE"))
    assert written.text is not None
    assert written.text.contains == ("SALE", "now")


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ("not_blnk: true", "one.yaml:11: unknown key 'not_blnk' (did you mean 'not_blank'"),
        ("size: big", "'big' is not a size"),
        ("aspect: wide", "'wide' is not an aspect ratio"),
        ("palette: [teal]", "'teal' is not a colour"),
        ("palette: {colors: ['#fff']}", "unknown key 'colors' (did you mean 'colours'"),
        ("text: '{{ wrod }}'", "unknown variable 'wrod'"),
        ("max_bytes: 0", "max_bytes"),
        ("decodes: false", "decodes"),
        ("text: {contains: [a], language: '../x'}", "language"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, checks: str, said: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        loaded(tmp_path, checks)
    assert said in str(raised.value)


def test_of_words_only_the_bytes_can_be_checked(tmp_path: Path) -> None:
    assert loaded(tmp_path, "max_bytes: 1 MB", kind="data", name="hero.csv").max_bytes == 1_000_000
    with pytest.raises(InvalidSpec, match="of data only max_bytes can be checked"):
        loaded(tmp_path, "alpha: true", kind="data", name="hero.csv")


@pytest.mark.parametrize(
    ("text", "ratio"),
    [("16:9", 16 / 9), ("1.91:1", 1.91), ("3/2", 1.5), ("0:1", None), ("1:0", None), ("x", None)],
)
def test_ratios(text: str, ratio: float | None) -> None:
    assert parse_ratio(text) == ratio
