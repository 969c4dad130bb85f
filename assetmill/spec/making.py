"""What a local stage makes, as a person writes it: one entry for each file, with its operations.

An entry's operations are done in one order, whatever the order of its keys: OPERATIONS below. A field that
decides what is made and is new has the default None: what is not asked for is in no fingerprint.
"""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from assetmill.spec import measures
from assetmill.spec.base import SpecModel
from assetmill.spec.file_kinds import FORMATS, Kind, kind_of, media_type_of
from assetmill.spec.gathering import (
    FAVICON,
    ICONS,
    WEB_MANIFEST,
    AnimationSpec,
    AtlasSpec,
    IconKind,
    NineSliceCheck,
    PageSpec,
    SheetSpec,
    Size,
    SrcsetSpec,
    TileCheck,
    atlas_names,
    srcset_names,
)
from assetmill.spec.layers import ColourText, LayerSpec, LengthsText, Text, checked, is_template
from assetmill.spec.reading import Where
from assetmill.spec.short_forms import TEXT, WHOLE_NUMBER, Bytes, ShortForms
from assetmill.spec.templated import Write, texts_of, written
from assetmill.spec.tools import Names

OPERATIONS = (
    "from", "canvas", "matte", "trim", "crop", "rotate", "flip", "resize", "pad", "background", "colour",
    "layers", "save",
)  # fmt: skip
"""The order in which an entry's operations are done."""

_OPAQUE = frozenset({"jpg", "jpeg"})


def _crop(value: str) -> object:
    return measures.parse_aspect(value) or measures.parse_box(value)


def _focus(value: str) -> object:
    return value if value in {"centre", "entropy", "subject"} else focus_point(value)


def focus_point(value: str) -> tuple[measures.Length, measures.Length]:
    """Read `50% 20%`: the point that stays in view.

    Raises:
        ValueError: it is no point.
    """
    parts = value.split()
    if len(parts) != 2:
        raise ValueError(f"{value[:60]!r} is no focus: write centre, entropy, subject, or a point as 50% 20%")
    return measures.parse_length(parts[0]), measures.parse_length(parts[1])


_SUFFIXES = {
    "animation": ("png", "webp", "gif"), "atlas": ("png", "webp"), "srcset": ("html",), "pdf": ("pdf",),
}  # fmt: skip
"""What entries are saved as that make something else than one picture."""

_WHOLE = ("sheet", "animation", "atlas", "icons", "srcset", "pdf", "python")
"""What an entry makes in place of one picture out of one; of these it has one at most."""

_OF_PIXELS = ("matte", "trim", "crop", "rotate", "flip", "resize", "pad", "background", "colour", "layers")


Extent = Annotated[Text, checked(measures.parse_extent)]


class MatteSpec(SpecModel):
    """Make a background of one colour transparent: `matte: "#00ff00"`."""

    colour: ColourText = Field(description="the background's colour")
    tolerance: int = Field(
        default=32, ge=0, le=255, description="how far from it a pixel may be and still be background"
    )
    softness: int = Field(default=32, ge=0, le=255, description="over how many further steps the edge fades")
    despill: bool = Field(default=True, description="take the background's colour out of the edge")


def _as_matte(value: Any) -> Any:
    return {"colour": value} if isinstance(value, str) else value


_SWITCHED_ON = {"const": True}


def _as_check(value: Any) -> Any:
    return {} if value is True else value


def _as_slices(value: Any) -> Any:
    return {"slices": str(value)} if isinstance(value, str | int) else value


class MakeSpec(SpecModel):
    """One file that a local stage makes, or with `name` alone a step on the way to others."""

    from_: Names | None = Field(
        default=None,
        alias="from",
        description="the picture: a stage before, an input by its name, or an entry before by what it saves",
    )
    output: str = Field(default="*", description="which files of that stage, as a glob over their names")
    canvas: Size | None = Field(
        default=None, description="an empty picture of that size, in place of `from`; `background` fills it"
    )
    matte: Annotated[MatteSpec | None, ShortForms(_as_matte, TEXT)] = Field(
        default=None, description="make a background of one colour transparent"
    )
    trim: Annotated[int, Field(ge=0, le=255)] | Literal[True] | None = Field(
        default=None,
        description="cut off the border: what is transparent, or so near to the corner's colour",
    )
    crop: Annotated[Text, checked(_crop)] | None = Field(
        default=None,
        description="a box as `left top width height`, or the largest part of an aspect, as 16:9",
    )
    focus: Annotated[Text, checked(_focus)] | None = Field(
        default=None,
        description="what stays in view where something is cut off: centre, entropy, subject, a point",
    )
    subject: Text | None = Field(
        default=None,
        description="where the subject is: a box, or an input that is white where the subject is",
    )
    rotate: Annotated[float, Field(gt=-360, lt=360)] | None = Field(
        default=None, description="degrees clockwise; the picture grows to hold its corners"
    )
    flip: Literal["across", "down"] | None = Field(
        default=None, description="mirror left and right, or top and bottom"
    )
    resize: Extent | None = Field(default=None, description="the size: 1200x630, 1200x, x630 or 50%")
    fit: Literal["cover", "contain", "pad", "exact"] | None = Field(
        default=None,
        description="into both sides: cut off what is too much (cover, the default), stay within them, "
        "fill up with the background, or distort",
    )
    enlarge: bool = Field(default=True, description="whether it may become larger than it is")
    pad: LengthsText | None = Field(default=None, description="add a margin: top right bottom left")
    background: ColourText | None = Field(
        default=None, description="lay it over this colour, which also fills margins and corners"
    )
    colour: Literal["srgb", "grey"] | None = Field(
        default=None, description="sRGB, in which everything is worked on, or grey"
    )
    profile: Text | None = Field(
        default=None,
        description="the colours of the file: an input, a colour profile (.icc) of RGB; else sRGB",
    )
    layers: tuple[LayerSpec, ...] | None = Field(
        default=None, description="texts, pictures, shapes and gradients over it, the lowest first"
    )
    sheet: SheetSpec | None = Field(default=None, description="all pictures of `from` on one sheet")
    tile: Annotated[TileCheck | None, ShortForms(_as_check, _SWITCHED_ON)] = Field(
        default=None, description="refuse it where it shows a seam laid beside itself"
    )
    nine_slice: Annotated[NineSliceCheck | None, ShortForms(_as_slices, TEXT, WHOLE_NUMBER)] = Field(
        default=None, description="refuse it where what is stretched between these corners is not even"
    )
    animation: Annotated[AnimationSpec | None, ShortForms(_as_check, _SWITCHED_ON)] = Field(
        default=None, description="all pictures of `from`, one after the other"
    )
    atlas: Annotated[AtlasSpec | None, ShortForms(_as_check, _SWITCHED_ON)] = Field(
        default=None, description="all pictures of `from` packed into one, with data for an engine"
    )
    icons: IconKind | None = Field(default=None, description="a set of icons: they have names of their own")
    srcset: Annotated[SrcsetSpec | None, ShortForms(_as_check, _SWITCHED_ON)] = Field(
        default=None, description="several widths and formats with HTML, which `save` names"
    )
    pdf: Annotated[PageSpec | None, ShortForms(_as_check, _SWITCHED_ON)] = Field(
        default=None, description="all pictures of `from` as pages"
    )
    python: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None = Field(
        default=None,
        description="a function of one's own, `module:function`: bytes of each input in, bytes out",
    )
    sandbox: Literal[True] | None = Field(
        default=None, description="of python: run it where it sees its inputs alone, and no network"
    )
    palette: Annotated[int, Field(ge=2, le=256)] | None = Field(
        default=None, description="save with so many colours: .png alone"
    )
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")] | None = Field(
        default=None, description="what later entries call it"
    )
    save: str | None = Field(default=None, description="the file: its suffix says the format")
    quality: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="of .jpg, .webp and .avif; 85, or what max_bytes allows"
    )
    lossless: Literal[True] | None = Field(default=None, description="of .webp")
    max_bytes: Bytes | None = Field(
        default=None, description="as `120 kB`: the best quality that stays within it"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for fault in self._faults():
            raise ValueError(fault)
        return self

    def _faults(self) -> Iterator[str]:
        """Yield what contradicts itself, with what to do."""
        if (self.from_ is None) == (self.canvas is None):
            yield "give one of from and canvas"
        yield from self._whole_faults()
        if self.fit is not None and self.resize is None:
            yield "fit says how to resize: give resize, or leave fit out"
        if self.fit in {"pad", "exact", "contain"} and self.focus and not self.crop:
            yield f"nothing is cut off with fit: {self.fit}: leave focus out, or write fit: cover"
        if self.focus and not self.crop and not self.resize:
            yield "focus says what stays in view when something is cut off: give crop or resize"
        if self.crop and self.focus and not is_template(self.crop) and not measures.parse_aspect(self.crop):
            yield "crop names a box already: leave focus out, or give an aspect as 16:9"
        if self.subject and self.focus != "subject":
            yield "subject says where it is: write focus: subject"
        yield from self._encoding_faults()

    @property
    def whole(self) -> str:
        """What it makes in place of one picture out of one: `sheet`, `atlas` and so on; "" for that."""
        return next((name for name in _WHOLE if getattr(self, name) is not None), "")

    def _whole_faults(self) -> Iterator[str]:
        kinds = [name for name in _WHOLE if getattr(self, name) is not None]
        if len(kinds) > 1:
            yield f"an entry makes one thing: {kinds[0]} or {kinds[1]}; write two entries"
        kind = kinds[0] if kinds else ""
        if kind == "icons" and (self.save or self.name):
            yield "icons have names of their own: leave out save and name"
        elif kind != "icons" and self.save is None and (self.name is None or kind not in {"", "sheet"}):
            yield "give save, the file's name" + (
                ", or name, by which later entries know it" if not kind else ""
            )
        allowed = _SUFFIXES.get(kind, tuple(FORMATS))
        suffix = (self.save or "").rpartition(".")[2].lower()
        if self.save and kind != "python" and "{" not in suffix and suffix not in allowed:
            words = ", ".join(f".{one}" for one in allowed)
            yield f"{self.save[:60]!r}: {kind or 'a picture'} is saved as {words}"
        if self.sandbox and kind != "python":
            yield "sandbox is for a function of your own: give python, or leave sandbox out"
        if self.canvas and kind:
            yield f"{kind} is made of pictures: give from in place of canvas"
        if kind == "python" and (given := [name for name in _OF_PIXELS if getattr(self, name) is not None]):
            yield f"a function of your own does all of it: write {given[0]} in another entry"
        if (
            kind == "sheet"
            and self.sheet
            and (self.sheet.title or self.sheet.captions)
            and not self.sheet.font
        ):
            yield "title and captions need font: names of configs/fonts.toml"

    def _encoding_faults(self) -> Iterator[str]:
        suffix = (self.save or "").rpartition(".")[2].lower()
        if not self.save:
            if self.quality or self.max_bytes or self.lossless or self.palette or self.profile:
                yield "quality, max_bytes, lossless, palette and profile are of a saved file: give save"
            return
        if self.profile and self.whole not in {"", "sheet"}:
            yield f"{self.whole} is in sRGB: leave profile out"
        if self.profile and self.palette:
            yield "the colours of a palette are sRGB: leave out profile, or palette"
        if self.quality and suffix == "png":
            yield f"{self.save} has no quality: leave it out, or save .jpg, .webp or .avif"
        if self.lossless and suffix != "webp":
            yield f"lossless is of .webp, not of {self.save}"
        if self.lossless and (self.quality or self.max_bytes):
            yield "lossless has no quality to choose: leave out quality and max_bytes, or lossless"
        if self.palette and suffix != "png":
            yield f"a palette is of .png, not of {self.save}"
        if self.matte and suffix in _OPAQUE and not self.background:
            yield f"{self.save} has no transparency, which matte makes: save .png, or give a background"

    @property
    def sources(self) -> tuple[tuple[str, str], ...]:
        """The words for pictures that it is made from, each with the glob over their names."""
        named = [(word, self.output) for word in self.from_ or ()]
        if self.subject and not is_template(self.subject) and not is_box(self.subject):
            named.append((self.subject, "*"))
        named += [(one.picture, "*") for one in self.layers or () if one.picture]
        if self.profile:
            named.append((self.profile, "*"))
        return tuple(dict.fromkeys(named))

    @property
    def fonts(self) -> tuple[str, ...]:
        """The names of the fonts that it writes with."""
        names = [name for layer in self.layers or () for name in layer.font or ()]
        return tuple(dict.fromkeys((*names, *((self.sheet.font or ()) if self.sheet else ()))))

    @cached_property
    def saves(self) -> Mapping[str, Kind]:
        """The files that it saves, each with its kind."""
        if self.icons:
            pictures: dict[str, Kind] = dict.fromkeys(ICONS[self.icons], "picture")
            return (
                {**pictures, FAVICON: "picture", WEB_MANIFEST: "document"}
                if self.icons == "web"
                else pictures
            )
        if not self.save:
            return {}
        if self.srcset:
            return {**dict.fromkeys(srcset_names(self.save, self.srcset), "picture"), self.save: "text"}
        if self.atlas:
            made: dict[str, Kind] = {}
            for picture, data in atlas_names(self.save, self.atlas).values():
                made |= {picture: "picture", data: "data"}
            return made
        return {self.save: kind_of(media_type_of(self.save))}

    @property
    def exact_size(self) -> tuple[int, int] | None:
        """The size of what it saves in pixels, where that is written."""
        text = self.resize if self.resize else self.canvas
        if self.whole not in {"", "animation"}:
            return None
        if not text or is_template(text) or self.pad or self.fit == "contain":
            return None
        extent = measures.parse_extent(text)
        if extent.width is None or extent.height is None or not self.enlarge:
            return None
        return extent.width, extent.height

    def bound(self, names: Mapping[str, list[str]]) -> dict[str, Any]:
        """Return it as plain data, with the names of inputs in place of its words for them."""
        facts = self.facts()
        facts.pop("output")
        if self.from_:
            facts["from"] = [name for word in self.from_ for name in names[word]]
        if self.subject and self.subject in names:
            facts["subject"] = next(iter(names[self.subject]), self.subject)
        if self.profile:
            facts["profile"] = next(iter(names[self.profile]), self.profile)
        for layer in facts.get("layers", ()):
            if word := layer.get("picture"):
                layer["picture"] = next(iter(names[word]), word)
        return facts

    @property
    def results(self) -> tuple[str, ...]:
        """What later entries may call it."""
        return tuple(word for word in (self.name, self.save) if word)

    @cached_property
    def has_templates(self) -> bool:
        """Whether any of its texts is a template: of thousands of rows, the others are read once."""
        return any(True for _ in self.texts(()))

    def texts(self, where: Where) -> Iterator[tuple[Where, str]]:
        """Yield every text that may be a template, with its place."""
        yield from texts_of(self.facts(), where)

    def facts(self) -> dict[str, Any]:
        """Return everything that decides what is made, as plain data."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def written(self, where: Where, write: Write) -> "MakeSpec":
        """Return it with its templates written.

        Raises:
            ValidationError: what they come to is not valid.
        """
        if not self.has_templates:
            return self
        return MakeSpec.model_validate(written(self.facts(), where, write))


def is_box(text: str) -> bool:
    """Whether a text is a box, and not a name."""
    try:
        measures.parse_box(text)
    except ValueError:
        return False
    return True
