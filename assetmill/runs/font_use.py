"""Which fonts a project has, and which of them writes which letters of a planned pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from assetmill.errors import CannotMake
from assetmill.making.text.faces import Face, clusters
from assetmill.plan.plan import Plan
from assetmill.spec.fonts import load_fonts

_SAMPLES = {
    "Latin": "Aß", "Greek": "Ωά", "Cyrillic": "Жї", "Armenian": "Հ", "Georgian": "ქ", "Hebrew": "א",
    "Arabic": "عپ", "Devanagari": "क", "Bengali": "ক", "Gurmukhi": "ਕ", "Gujarati": "ક", "Tamil": "க",
    "Telugu": "క", "Kannada": "ಕ", "Malayalam": "ക", "Sinhala": "ක", "Thai": "ก", "Lao": "ກ", "Khmer": "ក",
    "Myanmar": "က", "Ethiopic": "አ", "Kana": "あア", "Han": "日本", "Hangul": "한글", "Tibetan": "ཀ",
}  # fmt: skip
"""Letters by which it is told which scripts a font is made for."""


class KnownFont(NamedTuple):
    """A font of the project, with the scripts of which it has letters; `fault` when it cannot be read."""

    name: str
    file: str
    licence: str
    characters: int
    scripts: tuple[str, ...]
    fault: str = ""


class FontUse(NamedTuple):
    """A text that a stage writes, and how many of its letters each font has."""

    label: str
    text: str
    fonts: tuple[tuple[str, int], ...]


def known_fonts(configs: Path) -> Iterator[KnownFont]:
    """Yield the fonts of the project's table, by name.

    Raises:
        InvalidSpec: the table is not valid.
    """
    for name, (font, path) in sorted(load_fonts(configs).items()):
        try:
            face = Face(name, path.read_bytes(), font.face)
            scripts = tuple(script for script, letters in _SAMPLES.items() if face.has(letters))
            yield KnownFont(name, str(path), font.licence, len(face.characters), scripts)
        except (OSError, CannotMake) as error:
            yield KnownFont(name, str(path), font.licence, 0, (), f"cannot be read: {error}")


def font_uses(plan: Plan) -> Iterator[FontUse]:
    """Yield every text of a plan's local stages that is known yet, with the fonts that write it."""
    table = load_fonts(plan.pipeline.configs)
    faces = {
        f"{name}#{font.face}": Face(name, path.read_bytes(), font.face)
        for name, (font, path) in table.items()
    }
    for stage in plan.stages:
        call = stage.call or stage.draft
        for entry in call.making if call else ():
            for layer in entry.get("layers", ()):
                if text := layer.get("text"):
                    named = [faces[name] for name in layer["font"] if name in faces]
                    yield FontUse(stage.label, text, tuple(_counted(text, named)))


def _counted(text: str, faces: list[Face]) -> Iterator[tuple[str, int]]:
    letters = (one for one in clusters(text) if one.strip())
    found = Counter(next((face.name for face in faces if face.has(one)), "none") for one in letters)
    yield from found.most_common()
