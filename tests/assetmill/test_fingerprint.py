from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assetmill.fingerprint import canonical, fingerprint
from assetmill.plan.calls import StageCall
from tests.strategies import DECIDING_FIELDS, UNDECIDING_FIELDS, changed, json_values, stage_calls, words


@settings(max_examples=40)
@given(call=stage_calls(), field=st.sampled_from(DECIDING_FIELDS))
def test_every_deciding_field_changes_the_fingerprint(call: StageCall, field: str) -> None:
    assert call.fingerprint != changed(call, field).fingerprint


@settings(max_examples=40)
@given(call=stage_calls(), field=st.sampled_from(UNDECIDING_FIELDS))
def test_where_a_call_stands_does_not_change_its_fingerprint(call: StageCall, field: str) -> None:
    assert call.fingerprint == dataclasses.replace(call, **{field: "elsewhere"}).fingerprint


def test_every_field_of_a_call_is_known_to_decide_or_not_to() -> None:
    """A new field must be put into one of the two lists, or finished stages are mistaken for others."""
    assert {field.name for field in dataclasses.fields(StageCall)} == {*DECIDING_FIELDS, *UNDECIDING_FIELDS}


@settings(max_examples=40)
@given(st.dictionaries(words, json_values, max_size=6), st.randoms())
def test_key_order_does_not_matter(deciding: dict[str, Any], random: Any) -> None:
    items = list(deciding.items())
    random.shuffle(items)
    assert fingerprint(deciding) == fingerprint(dict(items))


@settings(max_examples=40)
@given(call=stage_calls(), count=st.integers(0, 3))
def test_partial_images_do_not_decide(call: StageCall, count: int) -> None:
    with_frames = tuple({**tool, "partial_images": count} for tool in call.tools)
    assert call.fingerprint == dataclasses.replace(call, tools=with_frames).fingerprint


@settings(max_examples=40)
@given(call=stage_calls())
def test_inputs_count_by_content_not_by_origin(call: StageCall) -> None:
    moved = tuple(dataclasses.replace(bound, path="/elsewhere", asset_id=None) for bound in call.inputs)
    assert call.fingerprint == dataclasses.replace(call, inputs=moved).fingerprint


@settings(max_examples=40)
@given(st.dictionaries(words, json_values, max_size=4))
def test_a_fingerprint_is_52_characters_of_base32(deciding: dict[str, Any]) -> None:
    assert set(fingerprint(deciding)) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert len(fingerprint(deciding)) == 52


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_without_a_json_form_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"size": value})


def test_a_known_fingerprint_stays_as_it_is() -> None:
    """Stored stages are found by it: should this change, everything ever made would be made again."""
    assert fingerprint({"format": 1, "prompt": "ä"}) == "647fquqtfrge7kahesopg4kauglwwnvhouswpdrhmhdu6hm3xdnq"
