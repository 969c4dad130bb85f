"""Tables as people keep them, and as they should not: every row is right, or is named with its line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.batches.rows import Rows, check_rows, pack, read_rows, unpack
from assetmill.errors import InvalidInput, InvalidSpec
from assetmill.settings import load_settings
from assetmill.spec.loading import load_pipeline
from assetmill.spec.pipeline import LoadedPipeline
from assetmill.stage.services import Services


@pytest.fixture
def pipeline(services: Services) -> LoadedPipeline:
    return load_pipeline("card", services.settings.configs)


def read(services: Services, pipeline: LoadedPipeline, path: Path, **common: Any) -> Rows:
    return read_rows(str(path), pipeline, common, services.settings)


def test_a_csv_gives_typed_parameters_with_defaults_and_the_line_of_each_row(
    services: Services, pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes('\ufeffproduct,count,row\n"a mug,\nblue",3,Mug\n\na lamp,,\n'.encode())
    rows = read(services, pipeline, path)
    assert [(r.number, r.name, dict(r.parameters)) for r in rows.good] == [
        (2, "Mug", {"product": "a mug,\nblue", "colour": "teal", "count": 3}),
        (5, "row 5", {"product": "a lamp", "colour": "teal", "count": 1}),
    ]
    assert rows.bad == ()


def test_bad_rows_are_named_with_line_and_reason_and_the_others_are_good(
    services: Services, pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("product,colour,count\na mug,green,1\na lamp,red,12\na bed,red,2\n,red,2\na,b\n")
    rows = read(services, pipeline, path)
    assert [row.number for row in rows.good] == [4]
    assert [(row.number, row.reason) for row in rows.bad] == [
        (2, "parameter 'colour': 'green' is not one of teal, red, blue"),
        (3, "parameter 'count': 12 is above 9"),
        (5, "parameter 'product' is required"),
        (6, "has 2 columns; the head names 3"),
    ]


def test_a_column_that_is_no_parameter_is_one_message_with_the_nearest_word(
    services: Services, pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("product,color\na mug,red\na lamp,red\n")
    with pytest.raises(InvalidSpec, match=r"column 'color' is no parameter.*did you mean 'colour'"):
        read(services, pipeline, path)


def test_json_lines_keep_their_types_and_bad_lines_their_numbers(
    services: Services, pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"product": "a mug", "count": 2, "colour": null}\n\n[1]\n{"product": 5.5}\n{"prod\n{"x":1}'
    )
    rows = read(services, pipeline, path)
    assert [dict(row.parameters) for row in rows.good] == [{"product": "a mug", "colour": "teal", "count": 2}]
    assert [row.number for row in rows.bad] == [3, 4, 5, 6]
    assert rows.bad[0].reason == "is not a JSON object"
    assert "parameter 'product': 5.5 is not a string" in rows.bad[1].reason
    assert "unknown parameter 'x'" in rows.bad[3].reason


def test_a_whole_number_is_text_where_text_is_due(
    services: Services, pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    cells = [
        '"product": 4711, "row": 0',
        '"product": "4711"',
        '"product": true',
        '"product": 1e3',
        '"prodcut": 1',
    ]
    path.write_text("\n".join(f"{{{cell}}}" for cell in cells))
    rows = read(services, pipeline, path)
    assert [row.parameters["product"] for row in rows.good] == ["4711", "4711"]
    assert rows.good[0].key == rows.good[1].key
    assert rows.good[0].name == "0"
    assert [bad.reason for bad in rows.bad[:2]] == [
        "parameter 'product': True is not a string",
        "parameter 'product': 1000.0 is not a string",
    ]
    assert "unknown parameter 'prodcut'" in rows.bad[2].reason


def test_parquet_is_read_row_by_row(services: Services, pipeline: LoadedPipeline, tmp_path: Path) -> None:
    arrow: Any = pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"product": ["a mug", None], "count": [2, 3]})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    path = tmp_path / "rows.parquet"
    path.write_bytes(buffer.getvalue())
    rows = read(services, pipeline, path)
    assert [dict(row.parameters) for row in rows.good] == [{"product": "a mug", "colour": "teal", "count": 2}]
    assert [(row.number, row.reason) for row in rows.bad] == [(2, "parameter 'product' is required")]


def test_a_number_column_of_parquet_is_text_where_text_is_due(
    services: Services, pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    arrow: Any = pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"product": [4711, 2**60]}), str(path))
    rows = read(services, pipeline, path)
    assert [row.parameters["product"] for row in rows.good] == ["4711", str(2**60)]


def test_common_parameters_fill_what_rows_leave_empty(
    services: Services, pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("product,colour\na mug,\na lamp,blue\n")
    rows = read(services, pipeline, path, colour="red")
    assert [row.parameters["colour"] for row in rows.good] == ["red", "blue"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", b"", "holds no rows"),
        ("rows.csv", b"product\n", "holds no rows"),
        ("rows.csv", b"product,product\na,b\n", "1: two columns are called 'product'"),
        ("rows.csv", b"product,,colour\na,,red\n", "1: column 2 has no name"),
        ("rows.csv", b'product\na\n"b\nc\nd\n', "3: is not CSV.*not closed"),
        ("rows.csv", b"product\nl\xe4mp\n", "2: is not UTF-8.*save it as CSV UTF-8"),
        ("rows.parquet", b"PAR1nothing", "is not parquet"),
        ("rows.ods", b"", "cannot tell what kind of table.*save other spreadsheets as CSV"),
    ],
)
def test_what_is_no_table_is_said(
    pipeline: LoadedPipeline, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read_rows(str(path), pipeline, {}, load_settings("local", {}))


@pytest.mark.parametrize(
    "text",
    [
        "product;colour\r\na mug, blue;red\r\n",
        "product\tcolour\na mug, blue\tred\n",
        'product,colour,,\n"a mug, blue",red,,\n,,,\n',
    ],
    ids=["semicolons", "tabs", "blank columns"],
)
def test_tables_as_spreadsheets_write_them_are_read(
    services: Services, pipeline: LoadedPipeline, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode())
    rows = read(services, pipeline, path)
    assert [(r.parameters["product"], r.parameters["colour"]) for r in rows.good] == [("a mug, blue", "red")]
    assert rows.bad == ()


def test_a_cell_with_a_nul_is_a_bad_row(services: Services, pipeline: LoadedPipeline, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"product\na\x00b\na mug\n")
    rows = read(services, pipeline, path)
    assert [row.number for row in rows.bad] == [2]


@pytest.mark.parametrize(
    "source", ["nowhere.csv", "s3://bucket-without-credentials/../rows.csv", "s3://.csv"]
)
def test_a_table_that_is_not_there_is_said(services: Services, pipeline: LoadedPipeline, source: str) -> None:
    with pytest.raises(InvalidInput):
        read_rows(source, pipeline, {}, services.settings)


def test_packed_rows_come_out_as_they_were(services: Services, pipeline: LoadedPipeline) -> None:
    lines = [(n, {"product": f"thing {n}\n|{n}", "count": n % 9 + 1}) for n in range(2, 30)]
    rows = check_rows(lines, pipeline, {}, "here")
    assert unpack(pack(rows.good)) == rows.good
    assert unpack(pack(rows.good), 3, 7) == rows.good[3:7]


@given(data=st.binary(max_size=300), kind=st.sampled_from(["csv", "jsonl", "parquet"]))
def test_no_bytes_do_worse_than_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str
) -> None:
    services, pipeline = _world(tmp_path_factory)
    path = tmp_path_factory.getbasetemp() / f"hostile.{kind}"
    path.write_bytes(b"product,count\n" + data if kind == "csv" else data)
    try:
        rows = read(services, pipeline, path)
    except InvalidInput:
        return
    assert all(row.parameters["product"] for row in rows.good)


_worlds: list[tuple[Services, LoadedPipeline]] = []


def _world(factory: pytest.TempPathFactory) -> tuple[Services, LoadedPipeline]:
    from assetmill.store.memory import MemoryStore
    from tests.batchworks import CARD
    from tests.millworks import painter, services_on, settings_in

    if not _worlds:
        services = services_on(settings_in(factory.mktemp("world"), card=CARD), MemoryStore(), painter())
        _worlds.append((services, load_pipeline("card", services.settings.configs)))
    return _worlds[0]
