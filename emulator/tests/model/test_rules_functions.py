"""Function tools: which are called, with what, and what becomes of the answers."""

from __future__ import annotations

import pytest
from foundry_emulator.steps import CallFunction, RunCode, SearchFiles
from staging import Stage, Talk, function, tool, turn

CITY = {"type": "string", "description": "The city name"}
WEATHER = function("get_weather", "Get current weather for a city", city=CITY)
FORECAST = function("get_temperature_forecast", "Get 3-day temperature forecast for a city", city=CITY)
CALCULATOR = function(
    "calculator",
    "Perform basic arithmetic operations",
    operation={"type": "string", "enum": ["add", "subtract", "multiply", "divide"]},
    a={"type": "number"},
    b={"type": "number"},
)
SAVE = function(
    "save_analysis",
    "Save the analysis results. Must be called to persist the analysis.",
    report_name={"type": "string"},
    total={"type": "number"},
    average={"type": "number"},
    summary={"type": "string"},
)
SALES = "Sales figures:\nJanuary: 23\nFebruary: 47\nMarch: 82\n"


def calls(text: str, *tools: object, **rest: object) -> list[CallFunction]:
    return Stage().play(turn(text, *tools, **rest)).of(CallFunction)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "place"),
    [("What's the weather in Seattle?", "Seattle"), ("How is the weather in New York today?", "New York")],
)
def test_a_city_becomes_the_argument(text: str, place: str) -> None:
    assert calls(text, WEATHER) == [CallFunction("get_weather", {"city": place})]


def test_the_function_whose_name_the_request_speaks_of_is_called() -> None:
    assert calls("Give me the forecast for Oslo", WEATHER, FORECAST)[0].name == "get_temperature_forecast"


def test_several_places_lead_to_several_calls() -> None:
    found = calls("What's the weather in Seattle, Paris and New York?", WEATHER)
    assert [call.arguments["city"] for call in found] == ["Seattle", "Paris", "New York"]


def test_two_subjects_lead_to_two_functions() -> None:
    time = function("get_time", "Get the local time in a city", city=CITY)
    found = calls("What are the weather and the time in Paris?", WEATHER, time)
    assert sorted(call.name for call in found) == ["get_time", "get_weather"]


def test_figures_and_the_operation_are_taken_from_the_words() -> None:
    assert calls("What is 15 plus 27?", CALCULATOR) == [
        CallFunction("calculator", {"operation": "add", "a": 15, "b": 27})
    ]


@pytest.mark.parametrize("text", ["Hello!", "What is the capital of France?", "Tell me a joke"])
def test_a_request_about_something_else_calls_nothing(text: str) -> None:
    assert calls(text, WEATHER, CALCULATOR, SAVE) == []


def test_a_function_can_be_demanded_by_name() -> None:
    found = calls("Hello", WEATHER, FORECAST, tool_choice={"type": "function", "name": "get_weather"})
    assert [call.name for call in found] == ["get_weather"]


def test_required_calls_the_only_tool_there_is() -> None:
    assert [call.name for call in calls("Where am I?", WEATHER, tool_choice="required")] == ["get_weather"]


def test_no_function_is_called_when_tools_are_forbidden() -> None:
    assert calls("What's the weather in Seattle?", WEATHER, tool_choice="none") == []


def test_an_answer_is_put_into_words_and_remembered() -> None:
    talk = Talk(Stage(), WEATHER, FORECAST)
    talk.say("What's the weather in New York?")
    assert "68" in talk.answer({"temperature": 68, "condition": "Cloudy"}).said.text
    (follow_up,) = talk.say("What about the forecast for the next few days?").of(CallFunction)
    assert (follow_up.name, follow_up.arguments) == ("get_temperature_forecast", {"city": "New York"})
    talk.answer({"forecast": [{"day": "Tomorrow", "temp": 70}]})
    (other,) = talk.say("How does that compare to Seattle's weather?").of(CallFunction)
    assert other.arguments == {"city": "Seattle"}


def test_a_follow_up_uses_the_last_result() -> None:
    talk = Talk(Stage(), CALCULATOR)
    talk.say("What is 15 plus 27?")
    assert "42" in talk.answer({"result": 42}).said.text
    (call,) = talk.say("Now multiply that result by 2").of(CallFunction)
    assert call.arguments == {"operation": "multiply", "a": 42, "b": 2}


def test_a_value_that_was_answered_is_converted_without_another_call() -> None:
    talk = Talk(
        Stage(), function("get_temperature", "Get the temperature for a city in Fahrenheit", city=CITY)
    )
    talk.say("What's the temperature in Boston?")
    talk.answer({"temperature": 72, "unit": "F"})
    assert "22.2" in talk.say("What is that in Celsius?").said.text
    assert "colder" in talk.say("Is that warmer or colder than 25°C?").said.text


def test_plain_text_and_content_parts_are_answers_too() -> None:
    for output in ("sunny", [{"type": "input_text", "text": "sunny"}]):
        talk = Talk(Stage(), WEATHER)
        talk.say("What's the weather in Oslo?")
        assert "sunny" in talk.answer(output).said.text


def test_find_calculate_and_save_in_one_request(tmp_path: object) -> None:
    stage = Stage(tmp_path, {"sales.txt": SALES})  # type: ignore[arg-type]
    text = (
        "Find the sales report, use code to calculate the total and average of the figures, "
        "then save the results."
    )
    played = stage.play(turn(text, tool("file_search"), tool("code_interpreter"), SAVE))
    assert [type(step) for step in played.steps] == [SearchFiles, RunCode, CallFunction]
    arguments = played.of(CallFunction)[0].arguments
    assert (arguments["total"], arguments["average"]) == (152, 50.6667)
    assert arguments["report_name"] == "Sales report"
    assert "March: 82" in arguments["summary"]


def test_saving_needs_to_be_asked_for() -> None:
    stage = Stage(documents={"sales.txt": SALES})
    assert (
        stage.play(turn("What does the analysis of sales say?", tool("file_search"), SAVE)).of(CallFunction)
        == []
    )


def test_what_could_not_be_found_is_reported() -> None:
    report = function("report_error", "Report when data is not available", error_message={"type": "string"})
    (call,) = (
        Stage().play(turn("Find the quarterly sales report.", tool("file_search"), report)).of(CallFunction)
    )
    assert "quarterly sales report" in call.arguments["error_message"]


def test_optional_arguments_are_left_out_unless_spoken_of() -> None:
    search = {
        "type": "function",
        "name": "find_hotels",
        "description": "Find hotels in a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": CITY,
                "limit": {"type": "integer", "maximum": 20},
                "pool": {"type": "boolean"},
            },
            "required": ["city"],
        },
    }
    assert calls("Find hotels in Oslo", search)[0].arguments == {"city": "Oslo"}
    assert calls("Find hotels in Oslo with a pool, limit 5", search)[0].arguments == {
        "city": "Oslo",
        "limit": 5,
        "pool": True,
    }


@pytest.mark.parametrize(
    "tool_definition",
    [
        {"type": "function", "name": "ping", "parameters": None},
        {"type": "function", "name": "ping", "description": None},
        {
            "type": "function",
            "name": "ping",
            "parameters": {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        },
        {
            "type": "function",
            "name": "ping",
            "parameters": {"type": "object", "properties": {"a": {"type": []}}},
        },
    ],
)
def test_odd_definitions_are_called_all_the_same(tool_definition: dict[str, object]) -> None:
    assert calls("ping please", tool_definition)[0].name == "ping"
