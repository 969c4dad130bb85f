"""JSON Schemas: of pipeline files, for editors; of one pipeline's parameters, for a form."""

from __future__ import annotations

from typing import Any

from assetmill.spec.parameters import ParameterSpec
from assetmill.spec.pipeline import PipelineSpec

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def pipeline_schema() -> dict[str, Any]:
    """Return the schema of pipeline files, with the short forms that the file may use."""
    return {"$schema": DRAFT, **PipelineSpec.model_json_schema(), "title": "assetmill pipeline"}


def parameter_schema(spec: PipelineSpec) -> dict[str, Any]:
    """Return a flat object schema of a pipeline's parameters, in the order of the file."""
    properties = {
        name: _property(name, parameter, n) for n, (name, parameter) in enumerate(spec.parameters.items())
    }
    required = [name for name, parameter in spec.parameters.items() if parameter.is_required]
    return {
        "title": spec.name,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_FORMATS = {"date": "date", "uri": "uri", "color": "color"}


def _property(name: str, parameter: ParameterSpec, position: int) -> dict[str, Any]:
    plain = parameter.model_dump(
        by_alias=True, exclude_none=True, exclude={"format", "required"}, mode="json"
    )
    plain.setdefault("title", name.replace("_", " ").capitalize())
    if parameter.format in _FORMATS:
        plain["format"] = _FORMATS[parameter.format]
    # Forms show fields in this order; JSON objects have none.
    return {**plain, "position": position}
