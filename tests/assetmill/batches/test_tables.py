"""Tables as shops and spreadsheets write them: read as they were meant, or refused with the way out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import pytest

from assetmill.batches.rows import Rows, read_rows
from assetmill.batches.tables import read_table
from assetmill.errors import InvalidSpec
from assetmill.settings import load_settings
from assetmill.spec.loading import load_pipeline
from assetmill.spec.pipeline import LoadedPipeline
from assetmill.stage.services import Services

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"


@pytest.fixture
def pipeline(services: Services) -> LoadedPipeline:
    return load_pipeline("card", services.settings.configs)


def read(services: Services, pipeline: LoadedPipeline, path: Path) -> Rows:
    return read_rows(str(path), pipeline, {}, services.settings)


def cells_of(path: Path) -> list[tuple[int, object]]:
    lines, _ = read_table(str(path), load_settings("local", {}))
    return [(number, cells if isinstance(cells, str) else dict(cells)) for number, cells in lines]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "sep=;\r\nproduct;count\r\na mug, blue;3\r\n"),
        ("rows.csv", '\ufeff"sep=;"\nproduct;count\n"a mug, blue";3\n'),
        ("rows.csv", 'SEP=|\nproduct|count\n"a mug, blue"|3\n'),
        ("rows.tsv", "\nproduct\tcount\na mug, blue\t3\n"),
        ("rows.TAB", "\nproduct\tcount\na mug, blue\t3\n"),
        ("rows.csv", "\n\ufeffpro\u200bduct;count\u2060 \na mug, blue;3\n"),
    ],
)
def test_a_spreadsheets_own_ways_are_read(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, newline="")
    assert cells_of(path) == [(3, {"product": "a mug, blue", "count": "3"})]


def test_a_quoted_head_is_one_name_whatever_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('"Title, long, and\n""quoted"", too";sku\nx;y\n')
    assert cells_of(path) == [(3, {'Title, long, and\n"quoted", too': "x", "sku": "y"})]


def test_a_key_with_signs_that_nobody_sees_is_the_key(
    services: Services, pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"pro\u200bduct": "a mug", "\ufeffcount ": 2, "colour": "\u200b"}\n')
    (row,) = read(services, pipeline, path).good
    assert dict(row.parameters) == {"product": "a mug", "colour": "teal", "count": 2}


def test_rows_that_fall_back_are_known_where_others_give_it(
    services: Services, pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("product,colour\na mug,red\na lamp,\na bed,\n")
    # No row gives a count: that column was left out on purpose.
    assert dict(read(services, pipeline, path).fallbacks) == {"colour": (3, 4)}
    assert dict(read_rows(str(path), pipeline, {"colour": "red"}, services.settings).fallbacks) == {}


def test_a_required_parameter_refuses_rows_without_it(services: Services, tmp_path: Path) -> None:
    file = services.settings.configs / "pipelines" / "card.yaml"
    file.write_text(file.read_text().replace("{default: teal,", "{default: teal, required: true,"))
    pipeline = load_pipeline("card", services.settings.configs)
    path = tmp_path / "rows.csv"
    path.write_text("product,colour\na mug,red\na lamp,\n")
    rows = read(services, pipeline, path)
    assert [(row.number, row.reason) for row in rows.bad] == [
        (3, "parameter 'colour' is required of every row")
    ]
    assert len(read_rows(str(path), pipeline, {"colour": "blue"}, services.settings).good) == 2


class Written(NamedTuple):
    """A cell with an attribute, such as the style of a date."""

    attribute: str
    value: object


def cell_xml(place: str, value: object) -> str:
    if isinstance(value, Written):
        return f'<c r="{place}" {value.attribute}><v>{value.value}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def sheet_xml(rows: Mapping[int, Sequence[object]]) -> str:
    lines = (
        f'<row r="{number}">'
        + "".join(cell_xml(f"{chr(65 + n)}{number}", v) for n, v in enumerate(values) if v is not None)
        + "</row>"
        for number, values in rows.items()
    )
    return f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def workbook(path: Path, rows: Mapping[int, Sequence[object]], *, is_first_hidden: bool = False) -> Path:
    """Write a workbook of one sheet as Excel lays it out; a hidden one may stand before it."""
    sheets: dict[str, Mapping[int, Sequence[object]]] = {"secret": {1: ["nothing"]}, "rows": rows}
    if not is_first_hidden:
        del sheets["secret"]
    numbered = list(enumerate(sheets, start=1))
    hidden = {"secret": ' state="hidden"'}
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{TYPES}.styles+xml"/>'
        + "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{TYPES}.worksheet+xml"/>'
            for n, _ in numbered
        )
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        + "".join(
            f'<sheet name="{name}" sheetId="{n}" r:id="s{n}"{hidden.get(name, "")}/>' for n, name in numbered
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="s{n}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n, _ in numbered
        )
        + f'<Relationship Id="st" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        # Style 1 is a date, style 2 a date with its time.
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><cellXfs count="3"><xf numFmtId="0"/>'
        '<xf numFmtId="14"/><xf numFmtId="22"/></cellXfs></styleSheet>',
    } | {f"xl/worksheets/sheet{n}.xml": sheet_xml(sheets[name]) for n, name in numbered}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def test_a_spreadsheets_numbers_and_dates_are_what_they_were_meant_to_be(tmp_path: Path) -> None:
    day, moment = Written('s="1"', 46054), Written('s="2"', 46054.25)
    path = workbook(
        tmp_path / "rows.xlsx",
        {
            2: ["sku\u200b ", "count", "price", "day", "at", "is_new"],
            3: [4006381333931, 3, 19.5, day, moment, Written('t="b"', 1)],
            5: [" 00042 ", None, None, "2026-02-01", None, None],
        },
        is_first_hidden=True,
    )
    first = {"sku": 4006381333931, "count": 3, "price": 19.5, "day": "2026-02-01"}
    second = {"sku": "00042", "count": "", "price": "", "day": "2026-02-01", "at": "", "is_new": ""}
    # As text: 3 and 3.0 are equal and not the same.
    assert repr(cells_of(path)) == repr(
        [(3, {**first, "at": "2026-02-01T06:00:00", "is_new": True}), (5, second)]
    )


def test_rows_of_a_spreadsheet_are_rows(services: Services, pipeline: LoadedPipeline, tmp_path: Path) -> None:
    rows: Mapping[int, Sequence[object]] = {1: ["row", "product", "count"], 2: ["Mug", 4006381333931, 2.0]}
    (row,) = read(services, pipeline, workbook(tmp_path / "rows.xlsx", rows)).good
    assert (row.number, row.name, row.parameters["product"], row.parameters["count"]) == (
        *(2, "Mug", "4006381333931"),
        2,
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            [1234567890123456, 1],
            "more than 15 digits of a number are not exact in a spreadsheet; format the column as text",
        ),
        (["a", 1, "beyond"], "beyond the last column that has a name, 'count'"),
    ],
)
def test_what_a_spreadsheet_has_lost_is_refused_with_the_fix(
    tmp_path: Path, values: list[object], said: str
) -> None:
    path = workbook(tmp_path / "rows.xlsx", {1: ["product", "count"], 2: values})
    ((number, fault),) = cells_of(path)
    assert number == 2
    assert said in str(fault)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", b"<html>"])
def test_what_is_no_spreadsheet_is_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "rows.xlsx"
    path.write_bytes(data)
    with pytest.raises(InvalidSpec, match="is no spreadsheet"):
        cells_of(path)


def test_a_workbook_that_unpacks_to_too_much_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assetmill.batches.sheets.MAX_UNPACKED_BYTES", 1000)
    path = workbook(tmp_path / "rows.xlsx", {1: ["product"], 2: ["x" * 2000]})
    with pytest.raises(InvalidSpec, match="unpacks to too much"):
        cells_of(path)


def test_another_zip_is_no_spreadsheet(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "x")
    (tmp_path / "rows.xlsx").write_bytes(buffer.getvalue())
    with pytest.raises(InvalidSpec, match="is no spreadsheet"):
        cells_of(tmp_path / "rows.xlsx")
