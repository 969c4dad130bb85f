"""Charts and tables keep to the group, the order and the title of the request, and write every row."""

from __future__ import annotations

from pathlib import Path

import pytest
from staging import Stage, tool, turn, upload

CODE = tool("code_interpreter")
ORCHARDS = upload(
    "orchards.csv",
    b"year,orchard,variety,harvest_kg\n2022,North,Gala,1200\n2022,South,Fuji,900\n2023,North,Gala,1500\n"
    b"2023,South,Fuji,1100\n2024,North,Gala,1300\n2024,South,Fuji,1700\n2021,North,Gala,800\n",
)
BY_YEAR = "year,harvest_kg\n2021,800\n2022,2100\n2023,2600\n2024,3000\n"


def written(text: str, name: str, folder: Path, *files: object) -> str:
    played = Stage(folder).play(turn(text, CODE, container_files=list(files)))
    assert played.errors == []
    return (folder / name).read_text()


@pytest.mark.parametrize(
    "text",
    [
        "Sum harvest_kg by year and save it as totals.csv",
        "Sum the harvest per year from orchards.csv, order by year, save totals.csv",
        "Make a bar chart of the sum by year (chart.png) and a CSV of the same (totals.csv)",
        "Chart the total harvest for each year, save chart.png and totals.csv",
    ],
)
def test_a_sum_by_year_is_by_year_with_every_line(text: str, tmp_path: Path) -> None:
    assert written(text, "totals.csv", tmp_path, ORCHARDS) == BY_YEAR


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Sum harvest_kg by orchard, save totals.csv", "North,4800"),
        ("Sum harvest_kg by orchard, smallest first, save totals.csv", "South,3700"),
        ("Sum harvest_kg by year, sorted by harvest descending, save totals.csv", "2024,3000"),
        ("Sum harvest_kg by year, newest first, save totals.csv", "2024,3000"),
        ("Group harvest_kg by orchard, smallest first, save totals.csv", "South,3700"),
        ("Top 2 years by harvest_kg, save totals.csv", "2024,3000"),
        ("Average harvest_kg per year, save totals.csv", "2021,800.0"),
        ("How many rows are there per variety? Save as totals.csv", "Gala,4"),
    ],
)
def test_order_and_aggregate_are_those_asked_for(text: str, first: str, tmp_path: Path) -> None:
    assert written(text, "totals.csv", tmp_path, ORCHARDS).splitlines()[1] == first


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ('Bar chart of harvest_kg by year, titled "Apples, at last", as chart.png', "Apples, at last"),
        ("Line chart of harvest by year. Title: Apples over time", "Apples over time"),
        ("Bar chart of harvest_kg by orchard", "Harvest kg by orchard"),
    ],
)
def test_the_title_is_the_one_asked_for(text: str, title: str, tmp_path: Path) -> None:
    played = Stage(tmp_path).play(turn(text, CODE, container_files=[ORCHARDS]))
    assert f"\n{title}\n" in played.said.text


def test_a_table_in_the_request_itself_is_used(tmp_path: Path) -> None:
    text = "Make a bar chart of apples per year: 2022: 7, 2021: 5, 2023: 9, save chart.png and data.csv"
    assert written(text, "data.csv", tmp_path) == "year,apples\n2021,5\n2022,7\n2023,9\n"
    lines = "Sum by year:\nyear,orchard,kg\n2022,N,4\n2021,S,5\n2022,S,6\nSave totals.csv"
    assert written(lines, "totals.csv", tmp_path) == "year,kg\n2021,5\n2022,10\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "Sum harvest_kg by orchard, variety and year, newest first, save totals.csv",
            ["orchard,variety,year,harvest_kg", "North,Gala,2024,1300", "South,Fuji,2024,1700"],
        ),
        (
            "Bar chart of harvest_kg by year for each orchard, largest first, as chart.png and totals.csv",
            ["year,orchard,harvest_kg", "2024,South,1700", "2024,North,1300", "2023,North,1500"],
        ),
        (
            "Line chart of the harvest by orchard and year: chart.png, totals.csv",
            ["year,orchard,harvest_kg", "2021,North,800", "2022,North,1200", "2022,South,900"],
        ),
    ],
)
def test_two_columns_group_together_with_every_line(text: str, lines: list[str], tmp_path: Path) -> None:
    told = written(text, "totals.csv", tmp_path, ORCHARDS).splitlines()
    assert told[: len(lines)] == lines
    assert len(told) == 1 + 7


def test_a_picture_without_room_for_all_labels_leaves_its_table_whole(tmp_path: Path) -> None:
    towns = upload("towns.csv", b"town,beds\n" + b"".join(b"T%d,%d\n" % (n, n) for n in range(40)))
    told = written("Bar chart of beds by town, chart.png and all.csv", "all.csv", tmp_path, towns)
    assert len(told.splitlines()) == 41


def test_a_written_summary_has_the_title_and_the_groups(tmp_path: Path) -> None:
    text = "Sum harvest_kg by orchard with the title 'Bo's apples', save as totals.md"
    told = written(text, "totals.md", tmp_path, ORCHARDS).splitlines()
    assert (told[0], told[-1]) == ("# Bo's apples", "| South | 3700 |")


def test_no_more_than_the_top_rows_are_written(tmp_path: Path) -> None:
    told = written("Top 2 years by harvest_kg, save totals.csv", "totals.csv", tmp_path, ORCHARDS)
    assert told == "year,harvest_kg\n2024,3000\n2023,2600\n"


def test_the_code_names_the_file_that_it_reads(tmp_path: Path) -> None:
    numbers = upload("numbers.csv", b"x\n1\n2\n3\n")
    text = "Show a 10x10 times table. Also, using code, read numbers.csv and return the sum of x."
    played = Stage(tmp_path).play(turn(text, CODE, container_files=[numbers]))
    assert "file: numbers.csv" in played.said.text
    assert "sum 6" in played.said.text
