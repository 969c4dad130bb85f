"""Structured answers: valid against the schema whatever it is, and taken from what was said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from staging import Stage, Talk, function, tool, turn

EVENT = {
    "type": "object",
    "properties": {
        "name": {"title": "Name", "type": "string"},
        "date": {"description": "Date in YYYY-MM-DD format", "type": "string"},
        "participants": {"items": {"type": "string"}, "type": "array"},
    },
    "required": ["name", "date", "participants"],
    "additionalProperties": False,
}
INVITATION = "Alice and Bob are going to a science fair this Friday, November 7, 2025."


def said(text: str, schema: dict[str, Any], *tools: Any, **documents: str) -> Any:
    text_format = {"type": "json_schema", "name": "answer", "schema": schema}
    played = Stage(documents=documents).play(turn(text, *tools, text_format=text_format))
    return json.loads(played.said.text)


def test_an_event_is_read_out_of_a_sentence_and_written_compactly() -> None:
    text_format = {"type": "json_schema", "name": "CalendarEvent", "schema": EVENT}
    played = Stage().play(turn(INVITATION, text_format=text_format))
    assert played.said.text == '{"name":"Science fair","date":"2025-11-07","participants":["Alice","Bob"]}'


def test_a_judgement_keeps_to_its_scale_and_its_words() -> None:
    schema = {
        "type": "object",
        "properties": {
            "score": {"type": "integer", "minimum": 1, "maximum": 5},
            "verdict": {"enum": ["reject", "accept"]},
            "passed": {"type": "boolean"},
            "reason": {"type": "string", "maxLength": 40},
        },
        "required": ["score", "verdict", "passed", "reason"],
    }
    value = said("Judge the picture and accept it when it fits", schema)
    assert list(Draft202012Validator(schema).iter_errors(value)) == []
    assert (value["score"], value["verdict"], value["passed"]) == (4, "accept", True)


def test_a_question_to_a_judge_gets_a_yes() -> None:
    fields = {
        "q1": {"type": "boolean", "description": "Is there exactly one lamp?"},
        "q2": {"type": "boolean", "description": "Whether it was lit."},
    }
    schema = {"type": "object", "properties": fields, "required": ["q1", "q2"]}
    assert said("Answer these questions about the picture.", schema) == {"q1": True, "q2": False}


def test_fields_are_filled_from_what_was_found() -> None:
    schema = {
        "type": "object",
        "properties": {
            "palette": {"type": "array", "items": {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"}}
        },
        "required": ["palette"],
    }
    brand = "Palette: blue #14213D and amber #FCA311."
    value = said(
        "Which palette colours does the brand guide name?", schema, tool("file_search"), **{"b.md": brand}
    )
    assert value == {"palette": ["#14213D", "#FCA311"]}


@pytest.mark.parametrize(
    "schema",
    [
        {
            "$ref": "#/$defs/node",
            "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
        },
        {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]},
        {"allOf": [{"type": "object"}, {"properties": {"a": {"const": 7}}, "required": ["a"]}]},
        {"type": ["string", "null"], "format": "date-time"},
        {
            "type": "array",
            "minItems": 3,
            "items": {"type": "object", "properties": {"x": {"type": "number"}}},
        },
        {"type": "string", "pattern": "^[A-Z]{3}$"},
        {
            "type": "object",
            "properties": {"email": {"type": "string", "format": "email"}},
            "required": ["email"],
        },
        {},
    ],
)
def test_every_kind_of_schema_is_met(schema: dict[str, Any]) -> None:
    assert list(Draft202012Validator(schema).iter_errors(said("Nothing in particular", schema))) == []


def test_any_json_is_allowed_as_an_object() -> None:
    played = Stage().play(turn("Say hello", text_format={"type": "json_object"}))
    assert isinstance(json.loads(played.said.text), dict)


def test_plain_text_is_no_json() -> None:
    assert Stage().play(turn("Hello!", text_format={"type": "text"})).said.text.startswith("Hello")


NAMES = ["name", "date", "city", "score", "is_ok", "tags", "summary", "id"]
Schema = dict[str, Any]


@st.composite
def leaves(draw: st.DrawFn) -> Schema:
    low, more = draw(st.integers(-9, 9)), draw(st.integers(0, 9))
    options = draw(st.lists(st.text(max_size=5), min_size=1, max_size=3))
    kinds: list[Schema] = [
        {"type": "boolean"},
        {"type": "null"},
        {"type": "integer", "minimum": low, "maximum": low + more},
        {"type": "number", "exclusiveMinimum": low},
        {"type": "string", "minLength": 40 * more},
        {"type": "string", "maxLength": more},
        {"enum": options},
        {"anyOf": [{"type": "null"}, {"type": "integer"}]},
    ]
    return draw(st.sampled_from(kinds))


@st.composite
def arrays(draw: st.DrawFn, items: st.SearchStrategy[Schema]) -> Schema:
    least = draw(st.integers(0, 3))
    most = least + draw(st.integers(0, 3))
    return {"type": "array", "items": draw(items), "minItems": least, "maxItems": most}


@st.composite
def objects(draw: st.DrawFn, parts: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(st.sampled_from(NAMES), parts, max_size=4))
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


SCHEMAS: st.SearchStrategy[Schema] = st.recursive(
    leaves(), lambda inner: st.one_of(arrays(inner), objects(inner)), max_leaves=8
)


@settings(max_examples=150, deadline=None)
@given(schema=SCHEMAS, text=st.one_of(st.just(INVITATION), st.text(max_size=40)))
def test_documents_are_valid_for_any_schema_and_request(schema: dict[str, Any], text: str) -> None:
    assert list(Draft202012Validator(schema).iter_errors(said(text, schema))) == []


def test_a_line_under_the_property_s_own_name_is_its_value() -> None:
    text = 'Plan a card called "Snow".\n- Title: Harbour Lights\nMotif: a lighthouse'
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "motif": {"type": "string"}},
        "required": ["title", "motif"],
    }
    assert said(text, schema) == {"title": "Harbour Lights", "motif": "a lighthouse"}


def test_what_a_function_answered_fills_the_property_of_its_name() -> None:
    colours = {"type": "array", "items": {"type": "string"}}
    schema: dict[str, Any] = {"type": "object", "properties": {"colours": colours}, "required": ["colours"]}
    colour_tool = function("season_colours", "Get the colours of a season", season={"type": "string"})
    text_format = {"type": "json_schema", "name": "answer", "schema": schema}
    talk = Talk(Stage(), colour_tool, text_format=text_format)
    talk.say("Get the season colours for winter.")
    answered = talk.answer({"season": "winter", "colours": ["#14213D"], "count": 1})
    assert json.loads(answered.said.text) == {"colours": ["#14213D"]}
