from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assetmill.fingerprint import Digest, canonical, fingerprint
from assetmill.plan.calls import Acceptance, BoundInput, BoundKnowledge, ExpectedOutput, StageCall
from assetmill.records import BlobRef
from assetmill.spec.output_checks import ChecksSpec
from tests.strategies import DECIDING_FIELDS, UNDECIDING_FIELDS, changed, json_values, stage_calls, words


@pytest.mark.parametrize("field", DECIDING_FIELDS)
@settings(max_examples=10)
@given(call=stage_calls())
def test_every_deciding_field_changes_the_fingerprint(field: str, call: StageCall) -> None:
    assert call.fingerprint != changed(call, field).fingerprint


PICTURE = BlobRef(digest=Digest(f"sha256:{'1' * 64}"), size_bytes=1, media_type="image/png")
OTHER = BlobRef(digest=Digest(f"sha256:{'2' * 64}"), size_bytes=1, media_type="image/png")
INPUT = BoundInput("lamp.png", "picture", PICTURE)
KNOWLEDGE = BoundKnowledge("brand", Digest(f"sha256:{'3' * 64}"), ())
OUTPUT = ExpectedOutput("picture", "hero.png")
CALL = StageCall(
    pipeline="p",
    stage="s",
    variant="",
    prompt="Draw a lamp",
    instructions="Be brief",
    model="m",
    image_deployment="pictures",
    tools=({"type": "image_generation", "size": "1024x1024", "partial_images": 2},),
    inputs=(INPUT,),
    knowledge=(KNOWLEDGE,),
    outputs=(OUTPUT,),
    text_format={"type": "json_schema"},
    tool_choice="required",
    max_tool_calls=3,
    extra={"service": "emulator"},
    acceptance=Acceptance(best_of=2),
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", ({**CALL.tools[0], "size": "1536x1024"},)),
        ("inputs", (replace(INPUT, role="mask"),)),
        ("inputs", (replace(INPUT, name="other.png"),)),
        ("inputs", (replace(INPUT, blob=OTHER),)),
        ("inputs", (INPUT, INPUT)),
        ("knowledge", (KNOWLEDGE._replace(name="other"),)),
        ("knowledge", (KNOWLEDGE._replace(digest=PICTURE.digest),)),
        *(
            ("outputs", (replace(OUTPUT, **{field: value}),))
            for field, value in {
                "kind": "chart", "name": "other.png", "count": 2, "pattern": "*.png",
                "format": "png", "width": 64, "height": 64, "has_alpha": True,
            }.items()
        ),
        ("text_format", None),
        ("tool_choice", None),
        ("max_tool_calls", None),
        ("image_deployment", None),
        ("extra", {"service": "another"}),
        ("acceptance", None),
    ],
)  # fmt: skip
def test_every_part_of_a_deciding_field_counts(field: str, value: object) -> None:
    assert replace(CALL, **{field: value}).fingerprint != CALL.fingerprint


def test_effort_decides_by_its_value_and_only_where_it_is_set() -> None:
    low, high = replace(CALL, effort="low"), replace(CALL, effort="high")
    assert len({CALL.fingerprint, low.fingerprint, high.fingerprint}) == 3
    assert low.deciding()["effort"] == "low"
    assert "effort" not in CALL.deciding()


def test_checks_decide_by_what_they_ask() -> None:
    asked = ChecksSpec.model_validate({"not_blank": True})
    checked = replace(CALL, acceptance=Acceptance((asked, None)))
    assert checked.deciding()["acceptance"] == {"best_of": 1, "checks": [asked.facts(), None]}


def test_a_known_call_is_found_under_the_fingerprint_it_always_had() -> None:
    """Each deciding field is in it, under the name and in the form that stored stages were found by."""
    assert CALL.deciding() == {
        "format": 1,
        "prompt": "Draw a lamp",
        "instructions": "Be brief",
        "model": "m",
        "image_deployment": "pictures",
        "tools": [{"type": "image_generation", "size": "1024x1024"}],
        "inputs": [["picture", "lamp.png", PICTURE.digest]],
        "knowledge": {"brand": KNOWLEDGE.digest},
        "outputs": [{"kind": "picture", "name": "hero.png", "count": 1, "pattern": "*"}],
        "text_format": {"type": "json_schema"},
        "tool_choice": "required",
        "max_tool_calls": 3,
        "extra": {"service": "emulator"},
        "acceptance": {"best_of": 2, "checks": []},
    }


@settings(max_examples=40)
@given(call=stage_calls(), field=st.sampled_from(UNDECIDING_FIELDS))
def test_where_a_call_stands_does_not_change_its_fingerprint(call: StageCall, field: str) -> None:
    assert call.fingerprint == replace(call, **{field: "elsewhere"}).fingerprint


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
    assert call.fingerprint == replace(call, tools=with_frames).fingerprint


@settings(max_examples=40)
@given(call=stage_calls())
def test_inputs_count_by_content_not_by_origin(call: StageCall) -> None:
    moved = tuple(replace(bound, path="/elsewhere", asset_id=None) for bound in call.inputs)
    assert call.fingerprint == replace(call, inputs=moved).fingerprint


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
