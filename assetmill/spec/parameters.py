"""A pipeline's parameters: flat and typed, because they become a form that a person fills in."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assetmill.spec.reading import Problems, nearest

Scalar = str | int | float | bool

_TRUE = frozenset({"true", "yes", "1", "on"})
_FALSE = frozenset({"false", "no", "0", "off"})


class ParameterSpec(BaseModel):
    """One parameter, in a subset of JSON Schema. Without a default it must be given."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    type: Literal["string", "integer", "number", "boolean"] = "string"
    title: str | None = None
    description: str | None = None
    default: Scalar | None = None
    enum: tuple[Scalar, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = Field(default=None, ge=0, alias="minLength")
    max_length: int | None = Field(default=None, ge=0, alias="maxLength")
    pattern: str | None = None
    format: Literal["path", "date", "uri", "color", "multiline"] | None = None
    required: bool = False
    """Every row of a batch must give it; its default is for single runs then."""

    @property
    def is_required(self) -> bool:
        """Whether a run must give it."""
        return self.default is None


def resolve_parameters(
    specs: Mapping[str, ParameterSpec], given: Mapping[str, Any], problems: Problems
) -> dict[str, Scalar]:
    """Return every parameter's value, in the order of the file; wrong ones are noted as problems.

    Text is read as the parameter's type, because that is how a command line gives it.
    """
    for name in given:
        if name not in specs:
            problems.add(("parameters",), f"unknown parameter {name!r}", nearest(name, specs))
    values: dict[str, Scalar] = {}
    for name, spec in specs.items():
        value = given.get(name, spec.default)
        if value is None:
            hint = f"give it with -p {name}=..."
            problems.add(("parameters", name), f"parameter {name!r} is required", hint)
            continue
        fault, value = convert(spec, value)
        if fault:
            problems.add(("parameters", name), f"parameter {name!r}: {fault}")
        values[name] = value
    return values


def convert(spec: ParameterSpec, value: Any) -> tuple[str, Any]:
    """Return ("", the value as its type), or (what is wrong with it, the value as given)."""
    typed = _typed(spec.type, value)
    if typed is None:
        article = "an" if spec.type == "integer" else "a"
        given = repr(value[:60]) if isinstance(value, str) else str(value)[:60]
        return f"{given} is not {article} {spec.type}", value
    return _bounds(spec, typed), typed


def _typed(kind: str, value: Any) -> Scalar | None:
    if kind == "string":
        return value if isinstance(value, str) else None
    if kind == "boolean":
        return _boolean(value)
    if isinstance(value, bool):
        return None
    try:
        if kind == "integer":
            return int(value) if isinstance(value, int | str) or float(value).is_integer() else None
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return (value if isinstance(value, int) else number) if math.isfinite(number) else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    return True if word in _TRUE else False if word in _FALSE else None


def _bounds(spec: ParameterSpec, value: Scalar) -> str:
    if spec.enum is not None and value not in spec.enum:
        choices = [str(choice) for choice in spec.enum]
        return f"{value!r} is not one of {', '.join(choices)}"
    if isinstance(value, str):
        return _text_bounds(spec, value)
    if spec.minimum is not None and value < spec.minimum:
        return f"{value} is below {spec.minimum:g}"
    if spec.maximum is not None and value > spec.maximum:
        return f"{value} is above {spec.maximum:g}"
    return ""


def _text_bounds(spec: ParameterSpec, value: str) -> str:
    if "\0" in value:
        return "holds a NUL character"
    if spec.min_length is not None and len(value) < spec.min_length:
        return f"is shorter than {spec.min_length} characters"
    if spec.max_length is not None and len(value) > spec.max_length:
        return f"is longer than {spec.max_length} characters"
    if spec.pattern is not None and not re.search(spec.pattern, value):
        return f"{value[:60]!r} does not match {spec.pattern!r}"
    if spec.format == "date" and not re.fullmatch(r"[0-9]{4}-[01][0-9]-[0-3][0-9]", value):
        return f"{value[:60]!r} is not a date as 2026-11-22"
    return ""


def check_definitions(specs: Mapping[str, ParameterSpec], problems: Problems) -> None:
    """Note parameters whose own definition does not hold: a bad pattern, a default that is not valid."""
    for name, spec in specs.items():
        where = ("parameters", name)
        try:
            re.compile(spec.pattern or "")
        except re.error as error:
            problems.add((*where, "pattern"), f"not a regular expression: {error}")
            continue
        if spec.default is not None and (fault := convert(spec, spec.default)[0]):
            problems.add((*where, "default"), f"default of {name!r}: {fault}")
