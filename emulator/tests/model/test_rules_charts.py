"""Charts from a CSV: the columns, the filter and the file name follow from the request."""

from __future__ import annotations

from pathlib import Path

import pytest
from foundry_emulator.model.coding.charts import write
from foundry_emulator.model.coding.request import CodeRequest, sources_of
from PIL import Image
from staging import Stage, tool, turn, upload

CODE = tool("code_interpreter")
COMPANIES = upload(
    "quarterly_results.csv",
    b"name,code,sector,revenue,operating_profit,operating_profit_margin,net_profit\n"
    b'SkyBridge,1,TRANSPORTATION,"1,050.7",185.2,17.6%,106.2\n'
    b'Aurora,2,METALS & MINING,"2,450.3",415.6,16.9%,234\n'
    b'AeroJet,3,TRANSPORTATION,"4,520.8",510.6,11.2%,197.8\n',
)
SALES = upload(
    "sales.csv",
    b"month;region;product;units;revenue\n2025-01;North;Lamp;10;1000\n2025-01;South;Lamp;7;700\n"
    b"2025-02;North;Desk;3;900.5\n2025-02;South;Lamp;12;1250\n2025-03;North;Lamp;20;2100\n",
)


def code_for(text: str, *files: object) -> str:
    return write(CodeRequest(text, sources_of(files))) or ""  # type: ignore[arg-type]


def test_the_words_of_the_request_choose_columns_and_filter(tmp_path: Path) -> None:
    text = (
        "Could you please create bar chart in TRANSPORTATION sector for the operating profit from the "
        "uploaded csv file and provide file to me?"
    )
    played = Stage(tmp_path).play(turn(text, CODE, container_files=[COMPANIES]))
    assert played.errors == []
    assert "SkyBridge             185.2" in played.said.text
    assert "AeroJet               510.6" in played.said.text
    assert "Aurora" not in played.said.text
    assert played.said.annotations[-1]["filename"] == "chart.png"
    with Image.open(tmp_path / "chart.png") as picture:
        assert picture.size == (1000, 600)
        assert len(picture.convert("RGB").getcolors(1_000_000) or []) > 20


def test_two_charts_of_one_request_have_their_own_kind_column_and_name(tmp_path: Path) -> None:
    text = (
        "From sales.csv draw a bar chart of revenue by region (save as revenue.png) and a line chart of "
        "units by month (save as units.jpg), 800x500 each."
    )
    played = Stage(tmp_path).play(turn(text, CODE, container_files=[SALES]))
    assert played.errors == []
    assert "North    4000.5" in played.said.text
    assert "2025-02     15" in played.said.text
    for name in ("revenue.png", "units.jpg"):
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (800, 500)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "Pie chart of revenue by product",
            ["'kind': 'pie'", "'groups': ['product']", "'values': ['revenue']"],
        ),
        ("Scatter plot of units vs revenue", ["'kind': 'scatter'", "'values': ['units', 'revenue']"]),
        ("Histogram of revenue, save as h.svg", ["'kind': 'histogram'", "'result': '/mnt/data/h.svg'"]),
        (
            "Plot the average units per month",
            ["'aggregate': 'mean'", "'groups': ['month']", "'values': ['units']"],
        ),
        ("Bar chart of revenue in the South region by product", ["'filters': {'region': 'South'}"]),
        ("Show the top 2 products by revenue in a column chart", ["'top': 2", "'kind': 'bar'"]),
        (
            "Line chart of units and revenue over time",
            ["'values': ['units', 'revenue']", "'groups': ['month']"],
        ),
    ],
)
def test_kind_columns_and_grouping_are_read_off_the_request(text: str, parts: list[str]) -> None:
    code = code_for(text, SALES)
    assert [part for part in parts if part not in code] == []


def test_a_longer_column_name_does_not_stand_for_a_shorter_one() -> None:
    assert "'values': ['operating_profit']" in code_for("bar chart of operating profit by name", COMPANIES)
    margin = code_for("bar chart of operating profit margin", COMPANIES)
    assert "'values': ['operating_profit_margin']" in margin
    assert "'values': ['net_profit']" in code_for("bar chart of net profit by name", COMPANIES)


@pytest.mark.parametrize("data", [b"", b"a,b\n", b"\x00\xff\x00", b"name\nx\ny\n", b'"' * 300_000])
def test_a_csv_without_figures_leads_to_no_chart(data: bytes) -> None:
    assert code_for("bar chart of revenue", upload("bad.csv", data)) == ""


def test_hostile_names_stay_strings_in_the_code(tmp_path: Path) -> None:
    nasty = upload("sales.csv", b'na\'me,"val""ue\\"\n__import__(\'os\'),1\n"a\'); x=(",2\n')
    played = Stage(tmp_path).play(turn("Make a bar chart", CODE, container_files=[nasty]))
    assert played.errors == []
    assert (tmp_path / "chart.png").exists()
