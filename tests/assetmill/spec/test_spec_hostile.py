"""Whatever is in a pipeline file, the outcome is a plan or an error that a person can read."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assetmill.errors import InvalidInput
from assetmill.plan.plan import make_plan
from assetmill.spec.loading import load_pipeline, pipeline_names
from assetmill.spec.reading import read_yaml
from tests.written import CONFIGS, DEFAULTS, TODAY, plan_of, written

TEXTS = [(CONFIGS / "pipelines" / f"{name}.yaml").read_text() for name in pipeline_names(CONFIGS)]
SNIPPETS = [
    "",
    "\n",
    " ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "|",
    "#",
    "{{",
    "}}",
    "{% for x in y %}",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "x" * 300,
    "../",
    "/",
    "~nobody/x",
    "\u202e",
    "日本",
    '"\\0"',
    "!!python/name:os.system ",
    "&a ",
    "*a",
    "<<: ",
    "type: ",
    "name: ",
    "from: ",
    "for_each: ",
    "\t",
    "stages: ",
    "axes: {a: [1]}",
    "{{ (((((",
]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_pipeline_is_planned_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 30))
        text = text[:start] + data.draw(st.sampled_from(SNIPPETS)) + text[start + cut :]
    path = tmp_path / "p.yaml"
    path.write_text(text.replace("../", f"{CONFIGS}/"))
    with contextlib.suppress(InvalidInput):
        make_plan(load_pipeline(str(path), CONFIGS), {}, defaults=DEFAULTS, today=TODAY)


@pytest.mark.parametrize("entry", ['"a\\0b"', "x" * 5000, "~nobody/x", "'**/*\\0'", "/proc/self/mem", "."])
@pytest.mark.parametrize(
    "place",
    [
        "knowledge: {k: [ENTRY]}\nstages: [{name: s, prompt: x, tools: [file_search]}]",
        "stages: [{name: s, prompt: x, tools: [code_interpreter], inputs: [{file: ENTRY}]}]",
        "axes: {a: {rows: ENTRY}}\nstages: [{name: s, prompt: '{{ a.b }}'}]",
    ],
)
def test_paths_that_cannot_be_read_are_refused(tmp_path: Path, place: str, entry: str) -> None:
    with pytest.raises(InvalidInput):
        plan_of(written(tmp_path, place.replace("ENTRY", entry)))


@pytest.mark.parametrize(
    "source", ["{{ " + "(" * 300 + "1" + ")" * 300 + " }}", "{{ " + "[" * 5000 + " }}", "{{ 1/0 }}"]
)
def test_templates_that_break_a_compiler_are_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(InvalidInput):
        plan_of(written(tmp_path, f"stages: [{{name: s, prompt: '{source}'}}]"))


def test_a_fault_of_the_defaults_is_shown_at_the_defaults(tmp_path: Path) -> None:
    text = (
        "defaults: {image_model: gpt-image-99}\nstages: [{name: s, prompt: Draw, tools: [image_generation]}]"
    )
    with pytest.raises(InvalidInput, match=r"p\.yaml:2: unknown image model 'gpt-image-99'"):
        plan_of(written(tmp_path, text))


def test_examples_are_what_is_damaged_here() -> None:
    assert all(read_yaml(CONFIGS / "pipelines" / f"{name}.yaml").value for name in pipeline_names(CONFIGS))
