"""Curves: "plot y = x squared and save it as chart.png", without any table."""

from __future__ import annotations

import re

from foundry_emulator.model.coding.request import CodeRequest, script
from foundry_emulator.model.words import has

CURVE = """
import matplotlib.pyplot as plt
import numpy as np

TARGET = $target
TITLE = $title

x = np.linspace($low, $high, 400)
with np.errstate(all="ignore"):
    y = np.broadcast_to(FORMULA, x.shape)
figure, axes = plt.subplots(figsize=(8, 5))
axes.plot(x, y)
axes.set_xlabel("x")
axes.set_ylabel("y")
axes.set_title(TITLE)
axes.grid(True)
figure.savefig(TARGET)
print(f"saved {TARGET}")
"""
_FUNCTIONS = "sin|cos|tan|exp|log|sqrt|abs"
_WORDS = ((r"\s*\bsquared\b|\u00b2", "**2"), (r"\s*\bcubed\b|\u00b3", "**3"), (r"\^", "**"))
# What is written into the code as it stands: figures, x, operators, brackets, and the functions above.
_FORMULA = re.compile(rf"(?:np\.(?:{_FUNCTIONS})\(|np\.pi|x|\d{{1,9}}(?:\.\d{{1,9}})?|\*\*|[-+*/()]| )+")


def write(request: CodeRequest) -> str | None:
    """Write the code for a curve, if the request gives its formula and asks to see it."""
    text = request.text[:1000]
    match = re.search(r"\b(?:y|f\(x\)) ?= ?([^,;\n?]{1,80})", text)
    if match is None or not has(text, "plot", "graph", "chart", "draw", "curve", "figure"):
        return None
    formula = _formula(match[1])
    if formula is None:
        return None
    low, high = _range(text)
    code = script(
        CURVE,
        target=request.target("curve.png", ".png", ".jpg", ".svg", ".pdf"),
        title=f"y = {_said(match[1])}",
        low=low,
        high=high,
    )
    return code.replace("FORMULA", formula, 1)


def _said(text: str) -> str:
    """Return what of a sentence is the formula: words that follow it are left out."""
    end = re.search(rf"\b(?!x\b|pi\b|squared\b|cubed\b|(?:{_FUNCTIONS})\b)[a-wyz]{{2,}}\b|\.\s|\.$", text)
    return (text[: end.start()] if end else text).strip()


def _formula(text: str) -> str | None:
    formula = _said(text)
    for pattern, sign in _WORDS:
        formula = re.sub(pattern, sign, formula)
    formula = re.sub(r"(?<=[\d)])\s*(?=[a-z(])", "*", formula)
    formula = re.sub(rf"\b({_FUNCTIONS})\(", r"np.\1(", formula)
    formula = re.sub(r"\bpi\b", "np.pi", formula)
    if "x" not in formula or not _FORMULA.fullmatch(formula) or re.search(r"\*\*\s*\d{3}", formula):
        return None
    try:
        compile(formula, "formula", "eval")
    except SyntaxError:
        return None
    return formula


def _range(text: str) -> tuple[float, float]:
    number = r"(-?\d{1,6}(?:\.\d{1,6})?)"
    match = re.search(rf"\b(?:from|between) {number} (?:to|and) {number}", text)
    if match is None:
        return -10.0, 10.0
    low, high = sorted((float(match[1]), float(match[2])))
    return low, high if high > low else low + 1
