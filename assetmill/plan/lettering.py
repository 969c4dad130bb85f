"""What is known of a local stage's texts before anything is spent: fonts, letters, fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from assetmill.errors import CannotMake, InvalidSpec
from assetmill.making.text.faces import Face, described, face_of, missing
from assetmill.making.text.writing import write
from assetmill.plan.calls import BoundInput
from assetmill.plan.inputs import Inputs
from assetmill.plan.slots import Pen, is_open
from assetmill.spec.fonts import FILE, FontSpec, load_fonts
from assetmill.spec.layers import LayerSpec
from assetmill.spec.making import MakeSpec
from assetmill.spec.reading import Where, nearest

Table = Mapping[str, tuple[FontSpec, Path]]


class Lettering:
    """The fonts of one stage's texts, and what can be said of the texts beforehand."""

    def __init__(self, pen: Pen, inputs: Inputs) -> None:
        self.pen, self.inputs = pen, inputs
        self.bound: dict[str, BoundInput] = {}
        self._named: dict[str, str] = {}

    def bind(self, entry: MakeSpec, where: Where) -> None:
        """Find the fonts of an entry's texts, and check what the texts say."""
        if not entry.fonts:
            return
        try:
            table = load_fonts(self.inputs.pipeline.configs)
        except InvalidSpec as error:
            return self.pen.problem(where, str(error))
        for name in entry.fonts:
            self._font(name, table, where)
        for number, layer in enumerate(entry.layers or ()):
            if (
                layer.text
                and not is_open(layer.text)
                and all(name in self._named for name in layer.font or ())
            ):
                self._check(layer, entry.exact_size, table, (*where, "layers", number))

    def named(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Return a bound entry with the names of its fonts' faces."""
        for layer in (*facts.get("layers", ()), facts.get("sheet", {})):
            if names := layer.get("font"):
                layer["font"] = [self._named.get(name, name) for name in names]
        return facts

    def _font(self, name: str, table: Table, where: Where) -> None:
        if name in self._named or is_open(name):
            return
        if name not in table:
            hint = nearest(name, table) or f"add it to {FILE}: file and licence"
            return self.pen.problem(where, f"no font {name!r}", hint)
        font, path = table[name]
        called = f"{name}#{font.face}"
        if found := self.inputs.font(path, called, where, self.pen):
            self.bound[called], self._named[name] = found, called

    def _check(self, layer: LayerSpec, size: tuple[int, int] | None, table: Table, where: Where) -> None:
        text = str(layer.text)
        try:
            faces = [_face(*self._file(name, table)) for name in layer.font or ()]
            for letter in missing(text, faces):
                hint = ", ".join(_having(letter, table)) or "no font of the project has it"
                names = ", ".join(layer.font or ())
                self.pen.problem(
                    where, f"no font of {names} has {described(letter)}", f"fonts that have it: {hint}"
                )
                return
            if size and text.strip():
                named = layer.model_copy(
                    update={"font": tuple(self._named[name] for name in layer.font or ())}
                )
                write(named, size, self._read)
        except CannotMake as error:
            self.pen.problem(where, str(error))

    def _file(self, name: str, table: Table) -> tuple[str, str, int]:
        return name, str(table[name][1]), table[name][0].face

    def _read(self, called: str) -> bytes:
        return _data(str(self.bound[called].path))


def _having(letter: str, table: Table) -> Iterator[str]:
    for name, (font, path) in sorted(table.items()):
        try:
            if _face(name, str(path), font.face).has(letter):
                yield name
        except (OSError, CannotMake):
            continue  # a font that cannot be read is told of where it is used


def _face(name: str, path: str, index: int) -> Face:
    return face_of(name, _data(path), index, 400)


def _data(path: str) -> bytes:
    return _read_once(path, Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read_once(path: str, _changed: int) -> bytes:
    return Path(path).read_bytes()
