from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.errors import InvalidSpec
from assetmill.spec.axes import AxisSpec, axis_values, read_rows, slug

WHERE = ("p.yaml", 3)


def labels(values: list[object], key: str | None = None) -> list[str]:
    spec = AxisSpec.model_validate({"values": values, "key": key})
    return [value.label for value in axis_values(spec, {}, Path, WHERE)]


def test_labels_are_safe_in_file_names() -> None:
    assert labels(["de", "en US", 1.5, True, "日本"]) == ["de", "en-US", "1.5", "True", "xe697a5e69cac"]
    assert labels([{"name": "og", "w": 1}, {"name": "a/b", "w": 2}]) == ["og", "a-b"]
    assert labels([{"name": "og", "w": 1}, {"name": "og", "w": 2}], key="w") == ["1", "2"]


@given(st.text(max_size=80))
def test_any_text_has_a_safe_label(text: str) -> None:
    assert slug(text)
    assert set(slug(text)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not slug(text).startswith(".")


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ([], None, "an axis without values"),
        (["a", "a"], None, "two values of this axis are called 'a'"),
        ([{"a": 1}, {"b": 2}], "a", "a row without the column 'a'"),
    ],
)
def test_an_axis_that_tells_nothing_apart_is_refused(
    values: list[object], key: str | None, message: str
) -> None:
    with pytest.raises(InvalidSpec, match=message):
        labels(values, key)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", '\ufeffslug,"title, long"\nx,"y, z"\n'),
        ("a.csv", 'slug;"title, long"\nx;y, z\n'),
        ("a.csv", 'sep=;\nslug;"title, long"\nx;y, z\n'),
        ("a.tsv", "sl\u200bug\ttitle, long\nx\ty, z\n"),
    ],
)
def test_tables_are_read_as_spreadsheets_write_them(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_rows(tmp_path / name) == [{"slug": "x", "title, long": "y, z"}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"a,b\n1\n", "line 2 does not have the columns of its head"),
        ("a.csv", b"a,b\n1,2,3\n", "line 2 does not have the columns of its head"),
        ("a.csv", b'a\n"b\n', "unexpected end of data"),
        ("a.md", b"no table", "no Markdown table in it"),
        ("a.md", b"| a | b |\n|---|---|\n| 1 |\n", "does not have the columns of its head"),
        ("a.json", b'{"a": 1}', "not a list of rows"),
        ("a.json", b"[1]", "not a list of rows"),
        ("a.json", b"[" * 100_000, "not a table"),
        ("a.jsonl", b'{"a": 1}\nx\n', "not a table"),
        ("a.xlsx", b"PK", "cannot read rows from '.xlsx'"),
        ("a.csv", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidSpec) as caught:
        list(read_rows(tmp_path / name))
    assert message in str(caught.value)
    assert name in str(caught.value)


def test_json_lines_are_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    assert list(read_rows(tmp_path / "a.jsonl")) == [{"a": 1}, {"a": 2}]


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="no such file"):
        list(read_rows(tmp_path / "none.csv"))
