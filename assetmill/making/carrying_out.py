"""A local stage's entries carried out: from the bytes that it is given to the files that it makes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assetmill.errors import CannotMake
from assetmill.making import geometry
from assetmill.making.encoding import encode, media_type_of
from assetmill.making.layers import lay_over
from assetmill.making.matte import without_ground
from assetmill.making.opening import open_picture, size_of
from assetmill.spec.making import MakeSpec, is_box
from assetmill.spec.measures import parse_aspect, parse_colour, parse_extent, parse_size

if TYPE_CHECKING:
    from PIL import Image


Read = Callable[[str], bytes]
"""Gives an input's bytes by its name."""


@dataclass(frozen=True)
class FreshFile:
    """A file that was made; width and height are those of a picture, `of` the inputs that are in it."""

    name: str
    data: bytes
    media_type: str
    size: tuple[int, int] | None = None
    of: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


def carry_out(entries: Sequence[Mapping[str, Any]], read: Read) -> Iterator[FreshFile]:
    """Yield what the entries of a bound stage make; `read` gives the bytes of an input.

    Raises:
        CannotMake: an input, or what is asked of it, cannot be; it names the entry.
    """
    specs = [MakeSpec.model_validate(dict(entry)) for entry in entries]
    bench = _Bench(read, specs)
    for spec in specs:
        try:
            yield from bench.make(spec)
        except CannotMake as error:
            raise CannotMake(f"{spec.save or spec.name}: {error}") from error


@dataclass
class _Bench:
    """What is at hand while a stage's entries are made: pictures that were opened, and what was made."""

    read: Read
    specs: Sequence[MakeSpec]
    results: dict[str, tuple[Image.Image, tuple[str, ...]]] = field(
        default_factory=dict[str, "tuple[Image.Image, tuple[str, ...]]"]
    )
    _opened: dict[str, Image.Image] = field(default_factory=dict[str, "Image.Image"])
    _uses: dict[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        for spec in self.specs:
            for name in _names(spec):
                self._uses[name] = self._uses.get(name, 0) + 1

    def make(self, spec: MakeSpec) -> Iterator[FreshFile]:
        picture, of = self._picture(spec)
        made = _worked(picture, spec, self._subject(spec))
        if spec.layers:
            made = lay_over(made, spec.layers, lambda name: self.open(name)[0], self.read)
            over = (self.open(layer.picture)[1] for layer in spec.layers if layer.picture)
            of = tuple(dict.fromkeys((*of, *itertools.chain.from_iterable(over))))
        for word in spec.results:
            self.results[word] = made, of
        if spec.save:
            data = encode(made, spec)
            yield FreshFile(spec.save, data, media_type_of(spec.save), made.size, of, actions_of(spec))

    def _picture(self, spec: MakeSpec) -> tuple[Image.Image, tuple[str, ...]]:
        """Return the one picture that an entry begins with, and the inputs that are in it."""
        if spec.canvas:
            from PIL import Image

            return Image.new("RGBA", parse_size(spec.canvas), geometry.ground_of(spec) or geometry.CLEAR), ()
        names = spec.from_ or ()
        if len(names) != 1:
            shown = ", ".join(names) or "none"
            raise CannotMake(f"one picture is worked on, not {len(names)} ({shown}): name one with `output`")
        return self.open(names[0])

    def open(self, name: str) -> tuple[Image.Image, tuple[str, ...]]:
        """Return a picture by its name, decoded once for all entries; and the inputs that are in it."""
        if name in self.results:
            return self.results[name]
        if name not in self._opened:
            data = self.read(name)
            self._opened[name] = open_picture(data, name, self._share(name, data))
        self._uses[name] -= 1
        # Held no longer than something needs it: a stage of many inputs must not hold them all.
        return (self._opened[name] if self._uses[name] > 0 else self._opened.pop(name)), (name,)

    def _subject(self, spec: MakeSpec) -> Any:
        if spec.subject is None or is_box(spec.subject):
            return spec.subject
        return self.open(spec.subject)[0]

    def _share(self, name: str, data: bytes) -> float:
        """Return the largest part of a picture's size that any entry needs of it."""
        if not data.startswith(b"\xff\xd8"):
            return 1.0
        size = size_of(data, name)
        users = [spec for spec in self.specs if name in _names(spec)]
        return max(_needed(spec, size) if name in (spec.from_ or ()) else 1.0 for spec in users)


def _names(spec: MakeSpec) -> tuple[str, ...]:
    subject = () if spec.subject is None or is_box(spec.subject) else (spec.subject,)
    over = tuple(layer.picture for layer in spec.layers or () if layer.picture)
    return (*(spec.from_ or ()), *subject, *over)


def _needed(spec: MakeSpec, size: tuple[int, int]) -> float:
    """Return which part of a picture's size an entry needs, 1 where that depends on its pixels."""
    if spec.resize is None or spec.trim is not None or spec.rotate is not None or spec.matte:
        return 1.0
    width, height = size
    if spec.crop:
        if not (aspect := parse_aspect(spec.crop)):
            return 1.0
        left, top, right, bottom = geometry.part_of(size, aspect, (0.5, 0.5))
        width, height = right - left, bottom - top
    wanted = parse_extent(spec.resize).of(width, height)
    shares = wanted[0] / width, wanted[1] / height
    return min(shares) if spec.fit in {"contain", "pad"} else max(shares)


def _worked(picture: Image.Image, spec: MakeSpec, subject: Any) -> Image.Image:
    """Return a picture with all operations of an entry done."""
    focus, ground = geometry.focus_in(spec, subject), geometry.ground_of(spec)
    if spec.matte:
        picture = without_ground(picture, spec.matte)
    if spec.trim is not None:
        picture = geometry.trim(picture, 0 if spec.trim is True else spec.trim)
    if spec.crop:
        picture = geometry.crop(picture, spec.crop, focus)
    if spec.rotate:
        picture = geometry.rotate(picture, spec.rotate, ground)
    if spec.flip:
        picture = geometry.flip(picture, spec.flip)
    if spec.resize:
        picture = geometry.resize(picture, spec, focus)
    if spec.pad:
        picture = geometry.pad(picture, spec.pad, ground)
    if spec.background and not spec.canvas:
        picture = geometry.flatten(picture, parse_colour(spec.background))
    if spec.colour == "grey":
        picture = _grey(picture)
    return picture


def _grey(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture.convert("L").convert("RGB")
    grey = picture.convert("L").convert("RGB")
    grey.putalpha(picture.getchannel("A"))
    return grey


def actions_of(spec: MakeSpec) -> tuple[str, ...]:
    """Return what was done, in the words of content credentials."""
    done = {
        "c2pa.cropped": spec.crop or spec.trim is not None or (spec.resize and spec.fit in {None, "cover"}),
        "c2pa.orientation": spec.rotate or spec.flip,
        "c2pa.resized": spec.resize,
        "c2pa.color_adjustments": spec.colour == "grey" or spec.palette,
        "c2pa.edited": spec.matte or spec.pad or spec.background or spec.canvas,
        "c2pa.addedText": any(layer.text for layer in spec.layers or ()),
        "c2pa.drawing": any(layer.shape or layer.gradient for layer in spec.layers or ()),
        "c2pa.transcoded": spec.save,
    }
    return tuple(action for action, was_done in done.items() if was_done)
