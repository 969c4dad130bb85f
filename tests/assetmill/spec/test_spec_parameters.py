from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.spec.parameters import ParameterSpec, convert

KINDS = ("string", "integer", "number", "boolean")


@pytest.mark.parametrize(
    ("kind", "given_value", "value"),
    [
        ("integer", "5", 5),
        ("integer", 5.0, 5),
        ("number", "1.5", 1.5),
        ("number", 2, 2),
        ("boolean", "yes", True),
        ("boolean", "FALSE", False),
        ("boolean", True, True),
        ("string", "5", "5"),
    ],
)
def test_text_is_read_as_the_type_of_its_parameter(kind: str, given_value: Any, value: Any) -> None:
    fault, converted = convert(ParameterSpec.model_validate({"type": kind}), given_value)
    assert fault == ""
    assert (converted, type(converted)) == (value, type(value))


@pytest.mark.parametrize(
    ("spec", "value", "fault"),
    [
        ({"type": "integer"}, "x", "'x' is not an integer"),
        ({"type": "integer"}, True, "True is not an integer"),
        ({"type": "integer"}, 1.5, "1.5 is not an integer"),
        ({"type": "integer"}, "9" * 5000, "is not an integer"),
        ({"type": "number"}, "nan", "'nan' is not a number"),
        ({"type": "number"}, "1e999", "is not a number"),
        ({"type": "number", "maximum": 2}, 3, "3 is above 2"),
        ({"type": "boolean"}, "maybe", "'maybe' is not a boolean"),
        ({"type": "string"}, ["a"], "['a'] is not a string"),
        ({"enum": ["a", "b"]}, "c", "'c' is not one of a, b"),
        ({"minLength": 2}, "a", "is shorter than 2"),
        ({"maxLength": 2}, "abc", "is longer than 2"),
        ({"pattern": "^[a-z]+$"}, "A", "does not match"),
        ({"format": "date"}, "22.11.2026", "is not a date"),
    ],
)
def test_values_out_of_bounds_are_refused(spec: dict[str, Any], value: Any, fault: str) -> None:
    assert fault in convert(ParameterSpec.model_validate(spec), value)[0]


@given(
    kind=st.sampled_from(KINDS),
    value=st.none() | st.text(max_size=9) | st.integers() | st.floats() | st.booleans() | st.lists(st.none()),
)
def test_a_value_fits_its_type_or_is_refused(kind: str, value: Any) -> None:
    fault, converted = convert(ParameterSpec.model_validate({"type": kind}), value)
    types = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    assert fault or isinstance(converted, types[kind])
