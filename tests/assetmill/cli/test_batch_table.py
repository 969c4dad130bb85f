from __future__ import annotations

import csv
from pathlib import Path

import pytest

from assetmill.batches.records import BatchAsset, BatchRow, BatchStage
from assetmill.cli.batch_table import MOST_LETTERS, Table, cell, columns_of
from assetmill.fingerprint import Fingerprint, digest
from assetmill.records import AssetId


def a_stage(label: str, *names: str, media_type: str = "image/png") -> BatchStage:
    assets = tuple(
        BatchAsset(
            asset_id=AssetId(f"ast_{name}"),
            name=name,
            digest=digest(b""),
            media_type=media_type,
            size_bytes=1,
        )
        for name in names
    )
    return BatchStage(label=label, status="done", fingerprint=Fingerprint("f"), assets=assets)


def a_row(*stages: BatchStage, name: str = "a row", spent_usd: float | None = 0.25) -> BatchRow:
    return BatchRow(number=2, name=name, key="", state="done", stages=stages, spent_usd=spent_usd)


def everything(_: str) -> bool:
    return True


FULL_WIDTH = (
    "\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
HIDDEN = ("  =", "\N{NO-BREAK SPACE}+", "\n=", "\N{ZERO WIDTH SPACE}=", "\N{ZERO WIDTH NO-BREAK SPACE} @")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", *FULL_WIDTH, *HIDDEN])
def test_no_cell_is_a_formula(start: str) -> None:
    assert cell(f"{start}1+1") == f"'{start}1+1"
    assert cell(f"a{start}") == f"a{start}"


def test_a_cell_holds_no_control_characters_and_every_word() -> None:
    assert cell("\r\x00=1\x1b[2J\x1a\x85") == "'=1[2J"
    assert cell("a\r\nb\tc") == "a\nb\tc"
    family = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN} \N{ARABIC LETTER MEEM}\N{ZERO WIDTH NON-JOINER}"
    assert cell(family) == family


def test_outputs_whose_names_differ_from_row_to_row_share_a_column() -> None:
    rows = [a_row(a_stage("hero", f"{n}.png"), a_stage("sizes", f"{n}-s.png", "feed.png")) for n in range(3)]
    columns = columns_of(rows, everything)
    assert columns.head[5:] == ("hero", "sizes 1", "feed.png")
    assert columns.places == (("hero", 0), ("sizes", 0), ("sizes", 1))


def test_only_stages_without_pictures_have_a_column_of_answers() -> None:
    row = a_row(
        a_stage("words"), a_stage("blurb", "blurb.md", media_type="text/markdown"), a_stage("hero", "h.png")
    )
    assert columns_of([row], everything).answers == ("words", "blurb")
    assert columns_of([row], "blurb".__eq__).head[5:] == ("blurb.md", "blurb text")


def test_columns_have_names_of_their_own() -> None:
    head = columns_of([a_row(a_stage("hero", "state"), a_stage("other", "State"))], everything).head
    assert len({name.lower() for name in head}) == len(head)


def test_cells_are_read_back_as_they_were_but_for_formulas(tmp_path: Path) -> None:
    row = a_row(a_stage("words"), a_stage("more"), name='=HYPERLINK("x")', spent_usd=None)
    columns = columns_of([row], everything)
    with Table(tmp_path, columns) as table:
        table.add(row, {}, {"words": 'two\nlines, "quoted"', "more": "x" * (MOST_LETTERS + 1)})
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        _, cells = csv.reader(file)
    assert cells == [
        *("2", '\'=HYPERLINK("x")', "done", "", "", 'two\nlines, "quoted"'),
        f"({MOST_LETTERS + 1} characters, too long for a cell)",
    ]


def test_a_table_that_was_not_finished_leaves_the_older_one(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("old")
    with pytest.raises(RuntimeError), Table(tmp_path, columns_of([], everything)):
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
    assert (tmp_path / "rows.csv").read_text() == "old"
