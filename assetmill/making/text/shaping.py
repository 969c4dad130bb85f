"""Text as glyphs in their places: each stretch of one direction, script and font, shaped by HarfBuzz."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from assetmill.errors import CannotMake
from assetmill.making.text.bidi import levels_of, visual_order
from assetmill.making.text.faces import Face, clusters, described
from assetmill.making.text.harfbuzz import harfbuzz

_COMMON = frozenset({"Zyyy", "Zinh", "Zzzz"})


class Glyph(NamedTuple):
    """One glyph, with the places of its pen as parts of the letters' size; y goes up."""

    face: Face
    glyph_id: int
    x: float
    y: float


class Stretch(NamedTuple):
    """A stretch of text that is shaped at once."""

    text: str
    face: Face
    script: str
    direction: str


@dataclass(frozen=True)
class ShapedLine:
    """One line's glyphs; its length along the line is a part of the letters' size."""

    text: str
    glyphs: tuple[Glyph, ...]
    length: float
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class Shaper:
    """Shapes lines of one text: its faces in the order in which they are tried, its language."""

    faces: tuple[Face, ...]
    language: str = ""
    level: int = 0
    is_vertical: bool = False

    def line(self, text: str) -> ShapedLine:
        """Return a line's glyphs, from left to right, or from top to bottom.

        Raises:
            CannotMake: no face has one of its letters.
        """
        return _shaped(self, text)

    def length(self, text: str) -> float:
        """Return how long a text is along its line, as a part of the letters' size."""
        return self.line(text).length

    def runs(self, text: str) -> list[Stretch]:
        """Return a line's runs, in the order in which they are seen."""
        levels = [0] * len(text) if self.is_vertical else levels_of(text, self.level)
        runs = list(self._logical(text, levels))
        if self.is_vertical:
            return [run for run, _ in runs]
        return [runs[at][0] for at in visual_order([level for _, level in runs])]

    def _logical(self, text: str, levels: Sequence[int]) -> Iterator[tuple[Stretch, int]]:
        """Yield runs in the order of the text, each with its level."""
        start, at = 0, 0
        current: tuple[Face, str, int] | None = None
        face, script = self.faces[0], ""
        for cluster in clusters(text):
            face = self._face_for(cluster, face)
            script = _script(cluster[0]) or script
            key = (face, script, levels[at])
            if current is not None and not _goes_on(current, key):
                yield self._run(text[start:at], *current), current[2]
                start, current = at, None
            current = key if current is None or not current[1] else current
            at += len(cluster)
        if current is not None:
            yield self._run(text[start:at], *current), current[2]

    def _run(self, text: str, face: Face, script: str, level: int) -> Stretch:
        return Stretch(text, face, script, "ttb" if self.is_vertical else "rtl" if level % 2 else "ltr")

    def _face_for(self, cluster: str, before: Face) -> Face:
        if not cluster.strip():
            return before
        for face in self.faces:
            if face.has(cluster):
                return face
        names = ", ".join(face.name for face in self.faces)
        raise CannotMake(f"no font of {names} has {described(cluster)}: add one that has it")


def _goes_on(current: tuple[Face, str, int], key: tuple[Face, str, int]) -> bool:
    same_script = current[1] == key[1] or not current[1] or not key[1]
    return current[0] is key[0] and current[2] == key[2] and same_script


@lru_cache(maxsize=8192)
def _shaped(shaper: Shaper, text: str) -> ShapedLine:
    hb = harfbuzz()

    glyphs: list[Glyph] = []
    along = 0.0
    runs = shaper.runs(text)
    for run in runs:
        buffer = _buffer(run, shaper.language)
        hb.shape(run.face.font, buffer)
        upem = run.face.upem
        for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            across, down = place.x_offset / upem, place.y_offset / upem
            x, y = (across, down - along) if shaper.is_vertical else (along + across, down)
            glyphs.append(Glyph(run.face, info.codepoint, x, y))
            along += (-place.y_advance if shaper.is_vertical else place.x_advance) / upem
    faces = tuple(dict.fromkeys(run.face for run in runs)) or shaper.faces[:1]
    return ShapedLine(text, tuple(glyphs), along, faces)


def _buffer(run: Stretch, language: str) -> Any:
    hb = harfbuzz()

    buffer: Any = hb.Buffer()
    buffer.add_str(run.text.replace("\n", ""))
    buffer.direction = run.direction
    if run.script:
        buffer.script = run.script
    if language:
        buffer.language = language
    buffer.guess_segment_properties()
    return buffer


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """Return the script of a letter, "" for what is of all scripts."""
    hb = harfbuzz()

    buffer: Any = hb.Buffer()
    buffer.add_str(letter)
    buffer.guess_segment_properties()
    script = str(buffer.script or "")
    return "" if script in _COMMON else script
