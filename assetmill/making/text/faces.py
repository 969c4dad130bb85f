"""Fonts as HarfBuzz has them: which characters they have, and how far their letters reach."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from assetmill.errors import CannotMake
from assetmill.making.text.harfbuzz import harfbuzz

_UNSEEN = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\n")
"""Characters that no font needs to have: they say how others join, break or run."""


@dataclass(frozen=True)
class Face:
    """One face of a font's file, at some weight."""

    name: str
    data: bytes
    index: int = 0
    weight: int = 400

    @cached_property
    def font(self) -> Any:
        """The font that shapes and draws, in its own units."""
        hb = harfbuzz()

        face: Any = self._face
        font = hb.Font(face)
        font.scale = (face.upem, face.upem)
        axes = {axis.tag: axis for axis in face.axis_infos}
        if "wght" in axes:
            font.set_variations({"wght": self.weight})
        elif self.weight > 400:
            # A face of one weight is drawn bolder: a bold face of the family is better, where there is one.
            strength = (self.weight - 400) / 300 * 0.03
            font.synthetic_bold = (strength, strength, False)
        return font

    @cached_property
    def _face(self) -> Any:
        hb = harfbuzz()

        try:
            face: Any = hb.Face(self.data, self.index)
            if not face.glyph_count or not face.upem:
                raise ValueError("it holds no glyphs")
        except (ValueError, RuntimeError, MemoryError) as error:
            raise CannotMake(f"font {self.name!r} cannot be read: {error}") from error
        return face

    @property
    def upem(self) -> int:
        """How many of its units a letter's size has."""
        return int(self._face.upem)

    @cached_property
    def characters(self) -> frozenset[int]:
        """The code points for which it has glyphs."""
        return frozenset(self._face.unicodes)

    @cached_property
    def ascent(self) -> float:
        """How far letters reach above their line, as a part of their size."""
        return float(self.font.get_font_extents("ltr").ascender) / self.upem

    @cached_property
    def descent(self) -> float:
        """How far letters reach below their line, as a part of their size."""
        return -float(self.font.get_font_extents("ltr").descender) / self.upem

    def has(self, cluster: str) -> bool:
        """Whether it has every character of a letter with its marks."""
        return all(ord(one) in self.characters or is_unseen(one) for one in cluster)


@lru_cache(maxsize=64)
def face_of(name: str, data: bytes, index: int, weight: int) -> Face:
    """Return a face, opened once."""
    return Face(name, data, index, weight)


def is_unseen(letter: str) -> bool:
    """Whether a character is never drawn itself."""
    return letter in _UNSEEN or unicodedata.category(letter) == "Cf" or "\ufe00" <= letter <= "\ufe0f"


def clusters(text: str) -> list[str]:
    """Return a text's letters, each with the marks that belong to it."""
    found: list[str] = []
    joins = False
    for letter in text:
        is_mark = unicodedata.category(letter) in {"Mn", "Mc", "Me"}
        if found and (is_mark or joins or is_unseen(letter)) and found[-1] != "\n" and letter != "\n":
            found[-1] += letter
        else:
            found.append(letter)
        joins = letter == "\u200d"
    return found


def missing(text: str, faces: Sequence[Face]) -> list[str]:
    """Return the letters of a text that none of the faces has, each once."""
    lost = (one for one in clusters(text) if not any(face.has(one) for face in faces) and one.strip())
    return list(dict.fromkeys(lost))


def described(cluster: str) -> str:
    """Return letters as a person is told of them."""
    names = ", ".join(f"U+{ord(one):04X} {unicodedata.name(one, 'without a name')}" for one in cluster)
    return f"{cluster!r} ({names})"
