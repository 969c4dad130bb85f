from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from assetmill.spec.loading import load_pipeline, pipeline_names
from assetmill.spec.pipeline import PipelineSpec
from assetmill.spec.reading import read_yaml
from assetmill.spec.schema import parameter_schema, pipeline_schema
from assetmill.spec.tools import TOOLS

ROOT = Path(__file__).parents[3]
CONFIGS, SPEC = ROOT / "configs", ROOT / "assetmill/spec"

MINIMAL: dict[str, Any] = {"name": "p", "stages": [{"name": "s", "prompt": "x"}]}


def faults(value: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(pipeline_schema())
    return [error.message for error in validator.iter_errors(value)]


def stage(**fields: Any) -> dict[str, Any]:
    return {**MINIMAL, "stages": [{**MINIMAL["stages"][0], **fields}]}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(pipeline_schema())


@pytest.mark.parametrize("name", pipeline_names(CONFIGS))
def test_the_examples_fit_the_schema_that_editors_use(name: str) -> None:
    assert faults(read_yaml(CONFIGS / "pipelines" / f"{name}.yaml").value) == []


def made(**fields: Any) -> dict[str, Any]:
    return {"name": "p", "stages": [{"name": "s", "make": {"from": "a", "save": "a.png", **fields}}]}


SHORT_FORMS = [
    stage(tools=["file_search", {"type": "image_generation"}], needs="a", for_each="b", style="c"),
    stage(needs=["a"], for_each=["b"], reasoning="low"),
    stage(outputs=[{"name": "a.png", "checks": {"palette": "#fff", "text": ["a"], "judge": "b"}}]),
    stage(outputs=[{"name": "a.png", "checks": {"not_duplicate": True, "max_bytes": "2 MB"}}], reroll=2),
    stage(outputs=[{"name": "a.png", "approval": "required"}]),
    stage(approval={"by": "brand", "within": "3d"}),
    stage(for_each={"locale": ["en"]}, inputs=[{"from": "s", "as": "mask"}]),
    stage(tools=[{"type": "file_search", "knowledge": "a"}]),
    stage(tools=[{"type": "function", "function": "a:b", "env": "HOME"}]),
    stage(tools=[{"type": "mcp", "server_label": "a", "server_url": "https://a.b", "allowed_tools": "c"}]),
    stage(tools=[{"type": "computer_use", "start_url": "https://a.b", "allowed_hosts": "a.b"}]),
    {**MINIMAL, "axes": {"a": [1, "x", {"b": 2}], "c": {"rows": "x.csv"}}, "knowledge": {"a": "b.md"}},
    {**MINIMAL, "schedules": [{"every": "2h"}], "concurrency": 2},
    made(matte="#0f0", trim=True, max_bytes="120 kB", resize="50%"),
    made(crop="16:9", pad=4, background="white"),
    made(
        layers=[{"text": 5, "font": "a", "size": 48, "outline": "white", "shadow": "#0008", "plate": "black"}]
    ),
    made(nine_slice=12, tile=True),
    made(animation={"milliseconds": 80}, save="a.gif"),
    made(atlas=True),
    made(pdf=True, save="a.pdf"),
    made(srcset=True, save="a.html"),
]


@pytest.mark.parametrize("value", SHORT_FORMS)
def test_short_forms_are_read_and_fit_the_schema(value: Any) -> None:
    PipelineSpec.model_validate(value)
    assert faults(value) == []


def test_a_short_form_is_said_to_the_schema_too() -> None:
    """Pydantic's own validators of that kind say nothing of it."""
    silent = {path.name for path in SPEC.glob("*.py") if "BeforeValidator" in path.read_text()}
    assert silent == set()


@pytest.mark.parametrize("kind", TOOLS)
def test_a_tool_is_named_alone_where_it_may_be(kind: str) -> None:
    try:
        PipelineSpec.model_validate(stage(tools=[kind]))
        is_read = True
    except ValidationError:
        is_read = False
    assert is_read == (not faults(stage(tools=[kind])))


PAGES = [page for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")) if "```yaml" in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pipelines_of_the_pages_fit_the_schema(page: Path, tmp_path: Path) -> None:
    for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        if text.startswith("name:") and "\nstages:" in text:
            (tmp_path / "page.yaml").write_text(text)
            assert faults(read_yaml(tmp_path / "page.yaml").value) == []


@pytest.mark.parametrize(
    "value",
    [{}, {**MINIMAL, "stages": []}, stage(promt="x"), stage(tools=["paint"]), stage(inputs=[{"fom": "a"}])],
)
def test_wrong_files_do_not_fit_the_schema(value: Any) -> None:
    assert faults(value)


def test_parameters_become_a_flat_form() -> None:
    schema = parameter_schema(load_pipeline("product-launch", CONFIGS).spec)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == []
    assert schema["properties"]["product"] == {
        "type": "string",
        "title": "Product",
        "description": "What is launched, as one would say it.",
        "default": "Aurora desk lamp",
        "minLength": 2,
        "maxLength": 80,
        "position": 0,
    }
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors({"quality": "low"})) == []
    assert list(validator.iter_errors({"quality": "best"}))
    assert list(validator.iter_errors({"sise": 1}))
