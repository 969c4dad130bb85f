"""A local stage's entries carried out: from the bytes that it is given to the files that it makes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assetmill.errors import CannotMake
from assetmill.making import geometry
from assetmill.making.animating import animation_of
from assetmill.making.atlas import data_of, pack
from assetmill.making.confining import call_confined
from assetmill.making.encoding import encode, media_type_of
from assetmill.making.layers import lay_over
from assetmill.making.matte import without_ground
from assetmill.making.opening import as_png, open_picture, size_of
from assetmill.making.own_functions import call_own
from assetmill.making.publishing import FileBytes, icons, pages, srcset
from assetmill.making.seams import check_nine_slice, check_tile
from assetmill.making.sheets import sheet_of
from assetmill.pictures import MEDIA_TYPES, sniff
from assetmill.spec.file_kinds import media_type_of as promised_type
from assetmill.spec.gathering import atlas_names
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


def carry_out(entries: Sequence[Mapping[str, Any]], read: Read, folder: Path = Path()) -> Iterator[FreshFile]:
    """Yield what the entries of a bound stage make; `read` gives the bytes of an input.

    A person's own functions are looked for in `folder` first.

    Raises:
        CannotMake: an input, or what is asked of it, cannot be; it names the entry.
    """
    specs = [MakeSpec.model_validate(dict(entry)) for entry in entries]
    bench = _Bench(read, specs, folder)
    for spec in specs:
        try:
            yield from bench.make(spec)
        except CannotMake as error:
            raise CannotMake(f"{spec.save or spec.name or spec.icons}: {error}") from error


@dataclass
class _Bench:
    """What is at hand while a stage's entries are made: pictures that were opened, and what was made."""

    read: Read
    specs: Sequence[MakeSpec]
    folder: Path
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
        if spec.python:
            call = call_confined if spec.sandbox else call_own
            data = call(spec.python, self.folder, [self._bytes(name) for name in spec.from_ or ()])
            yield FreshFile(str(spec.save), data, _media_type(spec, data), _size_of(data), spec.from_ or ())
            return
        if spec.whole in {"animation", "atlas", "pdf"}:
            named = list(self._each(spec))
            of = tuple(dict.fromkeys(itertools.chain.from_iterable(one for _, _, one in named)))
            files = gathered([(name, picture) for name, picture, _ in named], spec)
        else:
            picture, of = self._begun(spec)
            made, of = self._finished(picture, of, spec)
            for word in spec.results:
                self.results[word] = made, of
            files = published(made, spec, self.read(spec.profile) if spec.profile else None)
        for name, media_type, data, size in files:
            yield FreshFile(name, data, media_type, size, of, actions_of(spec))

    def _each(self, spec: MakeSpec) -> Iterator[tuple[str, Image.Image, tuple[str, ...]]]:
        """Yield every picture of an entry with its operations done, by its name."""
        if not spec.from_:
            raise CannotMake("there is no picture to make it of: name them with from")
        for name in spec.from_:
            picture, of = self.open(name)
            made, of = self._finished(picture, of, spec)
            yield name, made, of

    def _begun(self, spec: MakeSpec) -> tuple[Image.Image, tuple[str, ...]]:
        """Return the picture that an entry begins with: its one picture, or the sheet of all of them."""
        if spec.sheet is None:
            return self._picture(spec)
        named = [(name, self.open(name)) for name in spec.from_ or ()]
        if not named:
            raise CannotMake("there is no picture for the sheet: name them with from")
        sheet = sheet_of([(name, picture) for name, (picture, _) in named], spec.sheet, self.read)
        return sheet, tuple(dict.fromkeys(itertools.chain.from_iterable(of for _, (_, of) in named)))

    def _finished(
        self, picture: Image.Image, of: tuple[str, ...], spec: MakeSpec
    ) -> tuple[Image.Image, tuple[str, ...]]:
        """Return a picture with an entry's operations done, and the inputs that are in it."""
        made = _worked(picture, spec, self._subject(spec))
        if not spec.layers:
            return made, of
        made = lay_over(made, spec.layers, lambda name: self.open(name)[0], self.read)
        over = (
            self.results.get(one.picture, (None, (one.picture,)))[1] for one in spec.layers if one.picture
        )
        return made, tuple(dict.fromkeys((*of, *itertools.chain.from_iterable(over))))

    def _bytes(self, name: str) -> bytes:
        return as_png(self.results[name][0]) if name in self.results else self.read(name)

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


def gathered(pictures: Sequence[tuple[str, Image.Image]], spec: MakeSpec) -> Iterator[FileBytes]:
    """Yield what is made of several pictures: an animation, an atlas with its data, pages."""
    save = str(spec.save)
    if spec.pdf:
        yield save, "application/pdf", pages([one for _, one in pictures], spec.pdf), None
    elif spec.animation:
        suffix = save.rpartition(".")[2].lower()
        data = animation_of([one for _, one in pictures], spec.animation, suffix, spec.quality)
        yield save, f"image/{suffix}", data, pictures[0][1].size
    elif spec.atlas:
        for scale, (name, data_name) in atlas_names(save, spec.atlas).items():
            yield from _atlas(pictures, spec, (scale, name, data_name))


def _atlas(
    pictures: Sequence[tuple[str, Image.Image]], spec: MakeSpec, named: tuple[int, str, str]
) -> Iterator[FileBytes]:
    wanted = spec.atlas
    if wanted is None:
        return
    scale, name, data_name = named
    # What is drawn is the largest: smaller scales are made of it.
    share = scale / max(wanted.scales)
    scaled = [(called, geometry.scaled(one, share)) for called, one in pictures]
    picture, sprites = pack(scaled, wanted)
    yield name, media_type_of(name), encode(picture, spec.model_copy(update={"save": name})), picture.size
    yield data_name, "application/json", data_of(sprites, wanted, name, picture.size, scale), None


def published(picture: Image.Image, spec: MakeSpec, profile: bytes | None = None) -> Iterator[FileBytes]:
    """Yield what is made of one picture: itself, a set of icons, several widths with HTML.

    `profile` is the colour profile in which it is saved; sRGB without one.
    """
    if spec.tile:
        check_tile(picture, spec.tile)
    if spec.nine_slice:
        check_nine_slice(picture, spec.nine_slice)
    if spec.icons:
        yield from icons(picture, spec.icons)
    elif spec.srcset:
        yield from srcset(picture, str(spec.save), spec.srcset)
    elif spec.save:
        yield spec.save, media_type_of(spec.save), encode(picture, spec, profile), picture.size


def _media_type(spec: MakeSpec, data: bytes) -> str:
    kind = sniff(data)
    return MEDIA_TYPES[kind] if kind else promised_type(str(spec.save))


def _size_of(data: bytes) -> tuple[int, int] | None:
    return size_of(data, "what the function returned") if sniff(data) else None


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
        "c2pa.color_adjustments": spec.colour == "grey" or spec.palette or spec.profile,
        "c2pa.edited": spec.matte or spec.pad or spec.background or spec.canvas,
        "c2pa.addedText": any(layer.text for layer in spec.layers or ()),
        "c2pa.drawing": any(layer.shape or layer.gradient for layer in spec.layers or ()),
        "c2pa.transcoded": spec.save,
    }
    return tuple(action for action, was_done in done.items() if was_done)
