from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assetmill.errors import InvalidSpec
from assetmill.spec.reading import MAX_BYTES, nearest, parse_yaml, read_yaml

HERE = Path("p.yaml")


def parsed(text: str) -> object:
    return parse_yaml(HERE, text.encode()).value


def refusal(source: bytes) -> str:
    with pytest.raises(InvalidSpec) as caught:
        parse_yaml(HERE, source)
    return str(caught.value)


def test_scalars_are_read_as_yaml_1_2_means_them() -> None:
    text = "[no, on, 2026-11-22, 1:30, 012, 1_000, true, null, '', '1', 1.5, -3, 1e3, ~]"
    expected = ["no", "on", "2026-11-22", "1:30", 12, "1_000", True, None, "", "1", 1.5, -3, 1000.0, None]
    assert parsed(text) == expected


def test_every_value_knows_its_line() -> None:
    document = parse_yaml(
        HERE, b"name: a\nstages:\n  - name: one\n    prompt: |\n      text\n  - name: two\n"
    )
    assert document.line(("stages", 1, "name")) == 6
    assert document.line(("stages", 0, "prompt")) == 4
    assert document.line(("stages", 0, "image_generation", "prompt", "nothing")) == 4
    assert document.line(()) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"a: 1\na: 2\n", "p.yaml:2: 'a' is given twice"),
        (b"a: &x 1\n", "p.yaml:1: anchors and aliases are not read here"),
        (b"a: 1\nb: *x\n", "p.yaml:2: anchors and aliases are not read here"),
        (
            b"a: !!python/object:os.system x\n",
            "the tag 'tag:yaml.org,2002:python/object:os.system' is not read",
        ),
        (b"a: [1\n", "is not YAML"),
        (b"a: 1\n--- \nb: 2\n", "more than one document"),
        (b"a: \xff\n", "is not UTF-8 text"),
        (b"a: \x00\n", "is not YAML"),
        (b"? [a]\n: 1\n", "a key must be text"),
        (b"[" * 3000, "is nested more than 32 deep"),
        (b"a: " + b"x" * MAX_BYTES, "is larger than 256 KB"),
    ],
)
def test_more_than_plain_yaml_is_refused_with_its_line(source: bytes, message: str) -> None:
    assert message in refusal(source)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(value=json_like)
def test_what_a_yaml_writer_wrote_is_read_back(value: object) -> None:
    text = yaml.safe_dump(value, default_style='"', allow_unicode=True)
    plain = yaml.safe_load(text)
    read = parse_yaml(HERE, text.encode("utf-8", "surrogatepass")).value if "!!" not in text else plain
    assert read == plain


@settings(max_examples=150)
@given(source=st.binary(max_size=60))
def test_any_bytes_give_a_value_or_a_typed_error(source: bytes) -> None:
    with contextlib.suppress(InvalidSpec):
        assert parse_yaml(HERE, source).source == source


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="no such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(InvalidSpec, match="not a regular file"):
        read_yaml(tmp_path)


def test_the_nearest_word_is_proposed_or_the_choices_listed() -> None:
    assert nearest("qualty", ["quality", "size"]) == "did you mean 'quality'?"
    assert nearest("zzz", ["b", "a"]) == "there are: a, b"
    assert nearest("zzz", []) == ""
