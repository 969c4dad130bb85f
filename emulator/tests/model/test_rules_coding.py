"""Requests for code: what the rules write is run, and the files it makes are opened."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

import pytest
from foundry_emulator.steps import CodeRan, Draw, RunCode, Say, WrittenFile
from PIL import Image
from staging import Played, Stage, links, png, tool, turn, upload

CODE = tool("code_interpreter")
HERO = upload("hero.png", png(300, 200))
COVER = upload("cover.png", png(200, 300, "teal"))
CHARTS = [upload("revenue-chart.png", png(250, 150, "gray")), upload("units-chart.png", png(250, 150, "red"))]


def play(folder: Path, text: str, *files: object, **rest: object) -> Played:
    played = Stage(folder).play(turn(text, CODE, container_files=files, **rest))
    assert played.errors == []
    return played


def opened(path: Path) -> tuple[str | None, tuple[int, int]]:
    with Image.open(path) as picture:
        picture.load()
        return picture.format, picture.size


def test_a_fenced_block_is_run_exactly_as_it_stands(tmp_path: Path) -> None:
    played = play(tmp_path, "Run this please:\n```python\nfor n in range(2):\n    print(n * 21)\n```\nThanks")
    assert played.of(RunCode) == [RunCode("for n in range(2):\n    print(n * 21)\n")]
    assert "21" in played.said.text


def test_failing_code_of_the_request_is_reported_and_not_rewritten(tmp_path: Path) -> None:
    played = Stage(tmp_path).play(turn("```python\n1 / 0\n```", CODE))
    assert len(played.of(RunCode)) == 1
    assert "ZeroDivisionError" in played.said.text


def test_size_variants_have_the_names_sizes_and_formats_asked_for(tmp_path: Path) -> None:
    text = (
        "Use Python to crop and resize the picture hero.png and save three files:\n"
        "- resize to 120x63 and save as link.png\n- resize to 108x108 and save as feed.webp\n"
        "- resize to 54x96 and save as story.jpg"
    )
    played = play(tmp_path, text, HERO, COVER)
    assert opened(tmp_path / "link.png") == ("PNG", (120, 63))
    assert opened(tmp_path / "feed.webp") == ("WEBP", (108, 108))
    assert opened(tmp_path / "story.jpg") == ("JPEG", (54, 96))
    assert sorted(links(played.said)) == [
        f"sandbox:/mnt/data/{name}" for name in ("feed.webp", "link.png", "story.jpg")
    ]


def test_names_may_stand_before_their_sizes(tmp_path: Path) -> None:
    play(tmp_path, "Crop the hero: hero-square.png 90x90, hero-wide.png 120x60.", HERO)
    assert opened(tmp_path / "hero-square.png")[1] == (90, 90)
    assert opened(tmp_path / "hero-wide.png")[1] == (120, 60)


def test_sizes_without_names_are_named_after_picture_and_size(tmp_path: Path) -> None:
    play(tmp_path, "Resize all pictures to 64x64 and 80x40", HERO, COVER)
    made = {path.name for path in tmp_path.iterdir()} - {Path(HERO.path).name, Path(COVER.path).name}
    assert made == {f"{name}-{size}.png" for name in ("hero", "cover") for size in ("64x64", "80x40")}


def test_contain_keeps_the_whole_picture_and_pads_with_the_stated_colour(tmp_path: Path) -> None:
    play(tmp_path, "Resize hero.png to 100x100, padded on #336699 without cropping, as icon.png", HERO)
    with Image.open(tmp_path / "icon.png") as picture:
        assert picture.convert("RGB").getpixel((50, 2)) == (0x33, 0x66, 0x99)
        assert picture.convert("RGB").getpixel((50, 50)) == (0, 0, 128)


def test_variants_and_contact_sheet_show_what_was_just_made(tmp_path: Path) -> None:
    text = (
        "Resize hero.png to 120x63 and 108x108 and make a contact sheet of them as sheet.png, "
        "then zip them as out.zip"
    )
    played = play(tmp_path, text, HERO)
    assert len(played.of(RunCode)) == 3
    assert opened(tmp_path / "sheet.png")[1][0] > 600
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert set(archive.namelist()) == {"hero-120x63.png", "hero-108x108.png", "sheet.png"}


def test_text_is_laid_over_the_picture(tmp_path: Path) -> None:
    play(tmp_path, "Overlay the text 'Good morning' onto hero.png at the top and save it as titled.jpg", HERO)
    assert opened(tmp_path / "titled.jpg") == ("JPEG", (300, 200))
    with Image.open(tmp_path / "titled.jpg") as picture:
        top, bottom = picture.crop((0, 0, 300, 80)), picture.crop((0, 140, 300, 200))
        assert len(top.getcolors(30_000) or []) > 20 > len(bottom.getcolors(30_000) or [])


def test_pictures_are_joined_side_by_side(tmp_path: Path) -> None:
    play(tmp_path, "Combine cover.png and hero.png side by side and save as pair.png", COVER, HERO)
    assert opened(tmp_path / "pair.png") == ("PNG", (200 + 16 + 450, 300))


@pytest.mark.parametrize("name", ["report.png", "report.pdf"])
def test_a_report_is_made_of_cover_and_charts(tmp_path: Path, name: str) -> None:
    text = f"Combine the cover and the charts into one report titled 'Sales 2025', save as {name}"
    played = play(tmp_path, text, COVER, *CHARTS)
    assert "cover and 2 figures" in played.said.text
    assert (tmp_path / name).stat().st_size > 5_000


def test_pictures_are_converted(tmp_path: Path) -> None:
    play(tmp_path, "Convert hero.png to webp and jpeg", HERO)
    assert opened(tmp_path / "hero.webp") == ("WEBP", (300, 200))
    assert opened(tmp_path / "hero.jpeg") == ("JPEG", (300, 200))


def test_a_palette_is_taken_from_a_picture(tmp_path: Path) -> None:
    play(tmp_path, "Extract a palette of 3 colours from the picture", HERO)
    palette = json.loads((tmp_path / "palette.json").read_text())["palette"]
    assert palette[0] == {"hex": "#000080", "rgb": [0, 0, 128], "share": 1.0}


def test_a_text_file_is_written(tmp_path: Path) -> None:
    play(tmp_path, "Write a file haiku.txt with a haiku about lamps")
    assert len((tmp_path / "haiku.txt").read_text().strip().splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("what is 17*23?", "391"),
        ("Calculate 17 to the power of 4 using code", "83521"),
        (
            "First, find the sum of cubes from 1 to 50 (1³ + 2³ + ... + 50³). Then add 12!/8!. What is it?",
            "1637505",
        ),
        ("Calculate the average of these numbers: 10, 20, 30, 40, 50", "30"),
        ("Solve 2x + 3 = 11 for x", "x = 4"),
        ("Solve x^2 = 9", "[-3.0, 3.0]"),
        ("Create a list of squares from 1 to 5", "[1, 4, 9, 16, 25]"),
        ("Use python to print the first 10 primes", "29"),
        ("What is 15% of 80?", "12"),
    ],
)
def test_sums_are_worked_out(tmp_path: Path, text: str, result: str) -> None:
    assert result in play(tmp_path, text).said.text


def test_a_times_table_and_a_sum_over_a_file_in_one_request(tmp_path: Path) -> None:
    text = (
        "Generate a multiplication chart for 1-10 (a 10x10 times table)? "
        "Also read numbers.csv and return the sum of x."
    )
    played = play(tmp_path, text, upload("numbers.csv", b"x\n1\n2\n3\n"), tool_choice="required")
    assert "100" in played.said.text
    assert "sum 6.0" in played.said.text


def test_without_anything_definite_a_required_tool_looks_at_the_files(tmp_path: Path) -> None:
    played = play(tmp_path, "Here you are.", HERO, tool_choice="required")
    assert "300x200" in played.said.text


def test_code_that_breaks_is_tried_once_more_in_a_simpler_form() -> None:
    class Broken(Stage):
        def _run(self, code: str) -> CodeRan:
            runs.append(code)
            return CodeRan("", (), "ImportError: no pandas")

    runs: list[str] = []
    table = upload("t.csv", b"name,value\na,1\nb,2\n")
    played = Broken().play(turn("Draw a bar chart of value by name", CODE, container_files=[table]))
    assert ["pandas" in code for code in runs] == [True, False]
    assert "ImportError" in played.said.text


def test_a_displayed_plot_is_cited_first_and_has_no_link() -> None:
    class Plotting(Stage):
        def _run(self, code: str) -> CodeRan:
            saved = WrittenFile("/mnt/data/chart.png", "cfile_1", "cntr_1", 9)
            shown = WrittenFile("/mnt/data/figure-1.png", "cfile_2", "cntr_1", 9, displayed=True)
            return CodeRan("", [saved, shown])

    say = Plotting().play(turn("```python\npass\n```", CODE)).said
    assert (say.annotations[0]["filename"], say.annotations[0]["start_index"]) == ("cfile_2.png", 0)
    assert links(say) == ["", "sandbox:/mnt/data/chart.png"]


@pytest.mark.parametrize(
    "text",
    ["Write 2-3 sentences about lamps", "The fair is on 2025-11-07.", "Hello", "Tell me about page 1/4"],
)
def test_figures_that_are_no_sum_run_nothing(text: str) -> None:
    assert Stage().play(turn(text, CODE)).of(RunCode) == []


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1+",
        "1 ",
        "(",
        '"',
        "' ",
        "A ",
        "a.",
        "=x",
        "1x1 ",
        "1,",
        "(...",
        "draw ",
        "```python\n",
        "the report ",
    ],
)
def test_very_long_requests_are_read_quickly(piece: str) -> None:
    files = [upload("a.csv", b"name,v\na,1\nb,2\n"), HERO]
    text_format = {
        "type": "json_schema",
        "schema": {"properties": {"name": {"type": "string"}, "n": {"type": "number"}}},
    }
    for rest in ({}, {"text_format": text_format}):
        started = time.process_time()
        Stage().play(
            turn((piece * 40_000)[:40_000], CODE, tool("file_search"), container_files=files, **rest)
        )
        assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("words", "fit"),
    [
        ("so that nothing is stretched", "cover"),
        ("keeping its centre, never distorted", "cover"),
        ("without stretching it", "cover"),
        ("and stretch it to fill", "stretch"),
        ("with letterboxing", "contain"),
    ],
)
def test_only_a_wish_to_stretch_stretches(words: str, fit: str) -> None:
    played = Stage().play(turn(f"Resize hero.png to 100x100 {words}", CODE, container_files=[HERO]))
    assert f"FIT = '{fit}'" in played.of(RunCode)[0].code


def test_a_picture_drawn_in_this_turn_is_cut_to_size(tmp_path: Path) -> None:
    text = "Draw a mug. Then crop the picture to 120x63 and save it as og.png"
    (tmp_path / "ig_1-picture.png").write_bytes(png())
    played = Stage(tmp_path).play(turn(text, tool("image_generation"), CODE))
    assert [type(step) for step in played.steps] == [Draw, RunCode, Say]
    assert opened(tmp_path / "og.png") == ("PNG", (120, 63))


def test_found_code_is_called_and_its_file_named(tmp_path: Path) -> None:
    stage = Stage(tmp_path, documents={"twice.py": "def twice(n):\n    return 2 * n\n"})
    played = stage.play(turn("Find the code and run it to calculate twice(21)", tool("file_search"), CODE))
    assert played.said.text == "From twice.py: twice(21) = 42"


def test_letters_beyond_english_are_laid_over_a_picture_as_letters(tmp_path: Path) -> None:
    """Pillow's own font has no umlauts: it draws an empty box for each."""
    inks: list[bytes] = []
    for text in ("Schöner leben", "Schñner leben", "Schöner leben"):
        ask = f'Lay the headline "{text}" over photo.png and save it as poster.png.'
        played = Stage(tmp_path).play(turn(ask, CODE, container_files=[upload("photo.png", png(900, 600))]))
        assert played.errors == []
        inks.append((tmp_path / "poster.png").read_bytes())
    assert inks[0] == inks[2] != inks[1]
