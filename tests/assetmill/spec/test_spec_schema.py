from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from assetmill.spec.loading import load_pipeline, pipeline_names
from assetmill.spec.reading import read_yaml
from assetmill.spec.schema import parameter_schema, pipeline_schema

CONFIGS = Path(__file__).parents[3] / "configs"

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


@pytest.mark.parametrize(
    "value",
    [
        stage(tools=["file_search", {"type": "image_generation"}], needs="a", for_each="b"),
        stage(needs=["a"], for_each=["b"]),
        stage(outputs=[{"name": "a.png", "checks": {"palette": "#fff", "text": ["a"], "judge": "b"}}]),
        stage(outputs=[{"name": "a.png", "checks": {"not_duplicate": True, "max_bytes": "2 MB"}}], reroll=2),
        stage(for_each={"locale": ["en"]}, inputs=[{"from": "s", "as": "mask"}]),
        stage(tools=[{"type": "file_search", "knowledge": "a"}]),
        {**MINIMAL, "axes": {"a": [1, "x", {"b": 2}], "c": {"rows": "x.csv"}}, "knowledge": {"a": "b.md"}},
    ],
)
def test_short_forms_fit_the_schema(value: Any) -> None:
    assert faults(value) == []


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
