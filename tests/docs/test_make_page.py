"""The page on local stages shows every key of the models, and its example is valid."""

from __future__ import annotations

import re
from pathlib import Path

from assetmill.spec.make_page import tables
from assetmill.spec.making import OPERATIONS, MakeSpec

PAGE = (Path(__file__).parents[2] / "docs" / "make.md").read_text(encoding="utf-8")


def test_its_tables_are_those_of_the_models() -> None:
    assert PAGE.endswith("## Every key\n\n" + tables())


def test_it_tells_the_order_of_operations() -> None:
    told = re.search(r"whatever that of its keys:\n(.*?)\.", PAGE, re.DOTALL)
    assert told is not None
    named = [word.strip() for word in told[1].replace("\n", " ").split(",")]
    assert named == [word for word in OPERATIONS if word not in {"from", "canvas", "save"}]


def test_every_key_says_what_it_means() -> None:
    assert [key for key, field in MakeSpec.model_fields.items() if not field.description] == []
