from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.names import MAX_LENGTH, distinct, safe_name


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("hero.png", "hero.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("\uff0e\uff0e\uff0fhero.png", "hero.png"),
        ("CON", "file-CON"),
        ("con.png", "file-con.png"),
        (".hidden", "file.hidden"),
        ("Grün & weiß.PNG", "Grun-wei.PNG"),
        ("🎨.png", "file.png"),
        ("", "file"),
        ("a" * 300 + ".png", "a" * 92 + ".png"),
        ("nul\0byte.txt", "nul-byte.txt"),
    ],
)
def test_a_hostile_name_becomes_a_plain_one(given_name: str, safe: str) -> None:
    assert safe_name(given_name) == safe


@given(st.text(max_size=400))
def test_every_text_becomes_a_name_inside_its_folder(text: str) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name)
    assert len(name) <= MAX_LENGTH
    folder = Path("/store")
    assert (folder / name).resolve().parent == folder
    assert safe_name(name) == name


@given(st.lists(st.sampled_from(["a.png", "A.png", "a-2.png", "b", "B", "a.png"]), max_size=8))
def test_no_two_names_are_alike_on_any_system(names: list[str]) -> None:
    found = [name.lower() for name in distinct(names)]
    assert len(found) == len(names) == len(set(found))


def test_a_folder_keeps_its_name_whole_and_out_of_the_way_of_a_file() -> None:
    folders = distinct(["1.5", "1.5", "rows.csv"], taken=["Rows.CSV"], are_folders=True)
    assert list(folders) == ["1.5", "1.5-2", "rows.csv-2"]
