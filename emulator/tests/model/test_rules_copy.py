"""Short texts: slogans, titles, captions in the language asked for, and never an echo of the request."""

from __future__ import annotations

import pytest
from staging import Stage, tool, turn

SCHEMA = {
    "type": "json_schema",
    "name": "copy",
    "schema": {
        "type": "object",
        "properties": {"slogan": {"type": "string"}, "caption": {"type": "string"}},
        "required": ["slogan", "caption"],
        "additionalProperties": False,
    },
}


def said(text: str, **rest: object) -> str:
    return Stage().play(turn(text, **rest)).said.text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Write one short slogan for the Aurora desk lamp in the language en.", "Aurora desk lamp"),
        ("Write one short slogan for the Aurora desk lamp in the language de.", "Schöner leben mit Aurora"),
        ("Write one short slogan for the Aurora desk lamp in the language no.", "Livet er finere med Aurora"),
        ("Write a title for a blog post about bees, in French", "depuis le début"),
        ("Schreibe einen kurzen Slogan für die Leselampe Fjord", "Leselampe Fjord"),
        ("Écris un slogan court pour la lampe Fjord", "Lampe Fjord"),
        ("Write one caption for a photo of a lighthouse at dusk", "lighthouse at dusk"),
        ("Caption in Portuguese for a photo of a market at dawn", "com market at dawn"),
        ("Schlage einen Titel für einen Artikel über Wale vor", "Wale"),
        ("Una frase publicitaria corta para zapatos de montaña", "apatos de montaña"),
        ("写一个关于台灯的短标语", "台灯"),
        ("Write alt text for a picture of a red boat", "Red boat"),
        ("Give me a headline for the spring sale. Language: Japanese", "近く"),
        ("Write a product description of the Fjord lamp", "Fjord lamp"),
    ],
)
def test_a_short_text_is_about_its_thing_and_in_its_language(text: str, part: str) -> None:
    answer = said(text)
    assert part in answer
    assert "You asked" not in answer
    assert "\n" not in answer
    assert len(answer) < 120


def test_languages_differ_and_the_same_request_gets_the_same_words() -> None:
    ask = "Write one short slogan for the Fjord lamp in {}"
    names = (
        "English",
        "German",
        "French",
        "Spanish",
        "Arabic",
        "Hebrew",
        "Hindi",
        "Chinese",
        "Korean",
        "Greek",
    )
    found = [said(ask.format(name)) for name in names]
    assert len(set(found)) == len(names)
    assert found == [said(ask.format(name)) for name in names]


def test_several_are_given_where_several_are_asked_for() -> None:
    lines = said("Write three taglines for a bakery in Spanish").splitlines()
    assert len(set(lines)) == 3


def test_a_limit_of_words_is_kept() -> None:
    assert len(said("Write a slogan for the Aurora kettle, at most five words.").split()) <= 5
    assert len(said("Write a slogan for the Aurora kettle, at most 14 characters.")) <= 14


def test_the_language_of_the_instructions_holds() -> None:
    assert "Schöner leben" in said("Write a slogan for Fjord", instructions="Answer in German.")


def test_properties_named_after_short_texts_are_short_texts() -> None:
    answer = said("One short slogan for the Fjord lamp", text_format=SCHEMA)
    assert "One short" not in answer
    assert "Fjord lamp" in answer


def test_a_question_about_a_title_is_no_order() -> None:
    assert "closer look" not in said("What is the title of the longest book?")


@pytest.mark.parametrize(
    "text", ["sum of 1 to 100 with code", "Compute the sum of 1 to 100 with code", "sum 1 to 100 using code"]
)
def test_a_sum_with_code_runs_code(text: str, tmp_path: object) -> None:
    played = Stage(tmp_path).play(turn(text, tool("code_interpreter"), tool("image_generation")))  # type: ignore[arg-type]
    assert "5050" in played.said.text


@pytest.mark.parametrize("verb", ["plot", "Plot", "Please draw", "graph"])
def test_a_curve_is_saved_under_its_name(verb: str, tmp_path: object) -> None:
    text = f"{verb} y = x squared and save it as chart.png"
    played = Stage(tmp_path).play(turn(text, tool("code_interpreter"), tool("image_generation")))  # type: ignore[arg-type]
    assert [note["filename"] for note in played.said.annotations] == ["chart.png"]
