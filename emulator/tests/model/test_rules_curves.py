"""Ordinary requests that need no file: a sum over a range, a curve by its formula."""

from __future__ import annotations

from pathlib import Path

import pytest
from foundry_emulator.model.coding import curves
from foundry_emulator.model.coding.request import CodeRequest
from foundry_emulator.steps import RunCode
from PIL import Image
from staging import Stage, tool, turn

CODE = tool("code_interpreter")


@pytest.mark.parametrize(
    "text",
    [
        "sum of 1 to 100 with code",
        "What is the sum of 1 to 100? Use code.",
        "Add up the numbers 1 to 100, sum please",
    ],
)
def test_a_sum_over_a_range_is_worked_out(text: str, tmp_path: Path) -> None:
    played = Stage(tmp_path).play(turn(text, CODE))
    assert len(played.of(RunCode)) == 1
    assert "5050" in played.said.text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("plot y = x squared and save it as chart.png", "chart.png"),
        ("Please plot y = x^2 - 3x + 1 from -5 to 5 and save it as parabola.png.", "parabola.png"),
        ("Draw the graph of f(x) = 2 sin(x) with Python", "curve.png"),
    ],
)
def test_a_curve_is_plotted_under_the_name_asked_for(text: str, name: str, tmp_path: Path) -> None:
    played = Stage(tmp_path).play(turn(text, CODE))
    assert played.errors == []
    assert len(played.of(RunCode)) == 1
    with Image.open(tmp_path / name) as picture:
        assert picture.width > 300
    assert name in played.said.text


@pytest.mark.parametrize(
    "text",
    [
        "plot y = __import__('os')",
        "plot y = x.real",
        "plot y = open(x)",
        "plot y = x**99999",
        "y = x squared",
    ],
)
def test_what_is_no_formula_becomes_no_code(text: str) -> None:
    assert curves.write(CodeRequest(text)) is None
