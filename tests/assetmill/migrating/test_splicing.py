"""Changes of a YAML file: every other byte stays, and what is not understood is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.errors import InvalidSpec
from assetmill.migrating.splicing import Splice, spliced
from assetmill.spec.reading import parse_yaml

TEXT = """\
# What this is for.
name:   poster        # spaces stay

defaults:
    quality: 'medium'  # a word
    size: "1024x1024"

# About the stages.
stages:
  - name: hero
    prompt: >-
      Draw a
      lamp.
    tools: [{type: image_generation, input_fidelity: high, quality: low}, code_interpreter]
  - name: dusk
    prompt: Edit it.
    tools:
      - type: image_generation
        # why an edit
        action: edit
        input_fidelity: high   # how close
      - image_generation
"""


def changed(*changes: Splice, text: str = TEXT) -> str:
    return spliced(parse_yaml(Path("p.yaml"), text.encode()), changes).decode()


@pytest.mark.parametrize(
    ("change", "line", "becomes"),
    [
        (Splice(("defaults", "quality"), "high"), "quality: 'medium'  # a", "quality: 'high'  # a"),
        (Splice(("defaults", "size"), "1536x1024"), '"1024x1024"', '"1536x1024"'),
        (
            Splice(("defaults", "image_model"), "gpt-image-2"),
            '"1024x1024"\n',
            '"1024x1024"\n    image_model: gpt-image-2\n',
        ),
        (
            Splice(("stages", 0, "tools", 0, "input_fidelity"), None),
            "image_generation, input_fidelity: high, quality",
            "image_generation, quality",
        ),
        (Splice(("stages", 0, "tools", 0, "quality"), None), ", quality: low}", "}"),
        (
            Splice(("stages", 0, "tools", 0, "model"), "gpt-image-2"),
            "{type: image_generation,",
            "{type: image_generation, model: gpt-image-2,",
        ),
        (
            Splice(("stages", 1, "tools", 0, "input_fidelity"), None),
            "        input_fidelity: high   # how close\n",
            "",
        ),
        (
            Splice(("stages", 1, "tools", 0, "quality"), "high"),
            "- type: image_generation\n",
            "- type: image_generation\n        quality: high\n",
        ),
        (
            Splice(("stages", 1, "tools", 1, "quality"), "high"),
            "      - image_generation\n",
            "      - {type: image_generation, quality: high}\n",
        ),
        (Splice(("stages", 1, "model"), "gpt-5"), "- name: dusk\n", "- name: dusk\n    model: gpt-5\n"),
        (Splice(("defaults", "quality"), '{{ {"a": "b"}[q] }}'), "'medium'", "'{{ {\"a\": \"b\"}[q] }}'"),
        (Splice(("stages", 1, "tools", 0, "partial_images"), 3), "- type: image_generation\n",
         "- type: image_generation\n        partial_images: 3\n"),
    ],
)  # fmt: skip
def test_one_place_changes(change: Splice, line: str, becomes: str) -> None:
    assert changed(change) == TEXT.replace(line, becomes, 1)


def test_a_section_that_is_not_there_goes_above_the_comment_of_the_stages() -> None:
    text = "name: a\r\n# About them.\r\nstages:\r\n- {name: b, prompt: c}\r\n"
    made = changed(Splice(("defaults", "image_model"), "x"), Splice(("defaults", "model"), "y"), text=text)
    assert made.startswith("name: a\r\ndefaults:\r\n  image_model: x\r\n")
    assert made.endswith("\r\n# About them.\r\nstages:\r\n- {name: b, prompt: c}\r\n")


def test_json_is_yaml_too() -> None:
    text = '{"name": "a", "stages": [{"name": "b", "tools": [{"quality": "low"}]}]}'
    made = changed(
        Splice(("defaults", "size"), "auto"), Splice(("stages", 0, "tools", 0, "quality"), None), text=text
    )
    assert parse_yaml(Path("p.json"), made.encode()).value == {
        "name": "a",
        "defaults": {"size": "auto"},
        "stages": [{"name": "b", "tools": [{}]}],
    }


@pytest.mark.parametrize(
    ("change", "text", "line"),
    [
        (Splice(("defaults",), "x"), TEXT, 4),
        (Splice(("stages", 0, "name"), None), TEXT, 10),
        (Splice(("defaults", "size"), "auto"), "name: a\ndefaults:\nstages: []\n", 2),
        (Splice(("other", "key", "more"), "x"), TEXT, 2),
    ],
)
def test_what_a_person_must_change_is_said_with_its_line(change: Splice, text: str, line: int) -> None:
    with pytest.raises(InvalidSpec, match="by hand") as caught:
        changed(change, text=text)
    assert caught.value.line == line


def test_two_values_for_one_place_are_refused() -> None:
    where = ("defaults", "quality")
    with pytest.raises(InvalidSpec, match="different values"):
        changed(Splice(where, "low"), Splice(where, "high"))


@given(st.text(min_size=1).filter(str.isprintable))
def test_any_text_is_read_back_as_it_was_written(value: str) -> None:
    made = changed(Splice(("defaults", "quality"), value), Splice(("stages", 0, "model"), value))
    read = parse_yaml(Path("p.yaml"), made.encode()).value
    assert (read["defaults"]["quality"], read["stages"][0]["model"]) == (value, value)
