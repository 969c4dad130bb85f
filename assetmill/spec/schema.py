"""JSON Schemas: of pipeline files, for editors; of one pipeline's parameters, for a form."""

from __future__ import annotations

from typing import Any

from assetmill.spec.parameters import ParameterSpec
from assetmill.spec.pipeline import PipelineSpec

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def pipeline_schema() -> dict[str, Any]:
    """Return the schema of pipeline files, with the short forms that the file may use."""
    schema = PipelineSpec.model_json_schema(by_alias=True)
    parts = schema["$defs"]
    stage = parts["StageSpec"]["properties"]
    stage["tools"]["items"] = {"anyOf": [_tool_names(stage["tools"]["items"]), stage["tools"]["items"]]}
    stage["for_each"] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}},
                                   stage["for_each"]]}  # fmt: skip
    stage["needs"] = _one_or_more(stage["needs"])
    stage["style"] = _one_or_more(stage["style"])
    concurrency = schema["properties"]["concurrency"]
    schema["properties"]["concurrency"] = {"anyOf": [{"type": "integer", "minimum": 1}, concurrency]}
    every = parts["ScheduleSpec"]["properties"]["every"]
    parts["ScheduleSpec"]["properties"]["every"] = {"anyOf": [{"type": "string"}, every]}
    knowledge = schema["properties"]["knowledge"]
    knowledge["additionalProperties"] = _one_or_more(knowledge["additionalProperties"])
    search = parts["FileSearch"]["properties"]
    search["knowledge"] = _one_or_more(search["knowledge"])
    function = parts["Function"]["properties"]
    function["env"] = _one_or_more(function["env"])
    computer = parts["ComputerUse"]["properties"]
    computer["allowed_hosts"] = _one_or_more(computer["allowed_hosts"])
    parts["AxisSpec"] = {"anyOf": [parts["AxisSpec"]["properties"]["values"]["anyOf"][0], parts["AxisSpec"]]}
    _shorten(parts["ChecksSpec"]["properties"])
    stage["make"] = {"anyOf": [stage["make"], stage["make"]["items"]]}
    _shorten_making(parts)
    return {"$schema": DRAFT, **schema, "title": "assetmill pipeline"}


def _shorten(checks: dict[str, Any]) -> None:
    """Let a check be its main value alone."""
    for name in ("palette", "text"):
        checks[name]["anyOf"] += [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    checks["judge"]["anyOf"] += [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    checks["not_duplicate"]["anyOf"].append({"type": "boolean"})
    checks["max_bytes"]["anyOf"].append({"type": "string"})


def _shorten_making(parts: dict[str, Any]) -> None:
    """Let the parts of local stages be written as their main value alone."""
    text, switch, number = {"type": "string"}, {"type": "boolean"}, {"type": "integer"}
    shorter = {
        "MakeSpec": {"from": text, "matte": text, "tile": switch, "nine_slice": text, "animation": switch,
                     "atlas": switch, "srcset": switch, "pdf": switch, "max_bytes": text, "resize": number},
        "LayerSpec": {"font": text, "size": number, "outline": text, "shadow": text, "plate": text,
                      "text": number},
        "SheetSpec": {"font": text},
        "AnimationSpec": {"milliseconds": number},
    }  # fmt: skip
    for part, keys in shorter.items():
        properties = parts[part]["properties"]
        for key, shape in keys.items():
            whole = properties[key]
            told = {name: whole.pop(name) for name in ("description", "default", "title") if name in whole}
            properties[key] = {"anyOf": [shape, *whole.get("anyOf", [whole])], **told}


def _tool_names(items: dict[str, Any]) -> dict[str, Any]:
    return {"enum": sorted(items["discriminator"]["mapping"])}


def _one_or_more(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "string"}, schema]}


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
