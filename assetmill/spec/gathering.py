"""What is made of several pictures, or several files of one: sheets, animations, atlases, icons, pages."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from typing import Annotated, Literal

from pydantic import Field

from assetmill.spec import measures
from assetmill.spec.base import SpecModel
from assetmill.spec.layers import ColourText, LengthsText, Text, checked
from assetmill.spec.short_forms import OneOrMore
from assetmill.spec.tools import Names

IconKind = Literal["web", "ios", "android"]

ICONS: dict[IconKind, dict[str, int]] = {
    "web": {"favicon-16.png": 16, "favicon-32.png": 32, "apple-touch-icon.png": 180, "icon-192.png": 192,
            "icon-512.png": 512, "icon-512-maskable.png": 512},
    "ios": {f"ios-{side}.png": side for side in (40, 58, 60, 76, 80, 87, 120, 152, 167, 180, 1024)},
    "android": {"android-mdpi.png": 48, "android-hdpi.png": 72, "android-xhdpi.png": 96,
                "android-xxhdpi.png": 144, "android-xxxhdpi.png": 192, "android-play.png": 512},
}  # fmt: skip
"""The pictures of each set of icons, with their sides in pixels."""

FAVICON, WEB_MANIFEST = "favicon.ico", "site.webmanifest"
"""What a set for the web has beside them."""

Size = Annotated[Text, checked(measures.parse_size)]


class SheetSpec(SpecModel):
    """A contact sheet or montage: the pictures of `from` in rows."""

    columns: int = Field(default=3, ge=1, le=64, description="pictures in a row")
    cell: Size = Field(default="320x320", description="into which each picture is fitted")
    gap: int = Field(default=16, ge=0, le=512, description="pixels between pictures, and around them")
    ground: ColourText = Field(default="white", description="its colour")
    colour: ColourText = Field(default="ink", description="of titles and captions")
    title: Text | None = Field(default=None, description="what stands above")
    captions: Literal[True] | None = Field(
        default=None, description="under each picture its name and its size"
    )
    font: Names | None = Field(default=None, description="of title and captions, from configs/fonts.toml")


class AnimationSpec(SpecModel):
    """Pictures one after the other, as .png (APNG), .webp or .gif."""

    milliseconds: Annotated[tuple[Annotated[int, Field(ge=1, le=60_000)], ...], OneOrMore(int)] = Field(
        default=(100,), min_length=1, description="how long each is shown: one number, or one for each"
    )
    loops: int = Field(default=0, ge=0, le=10_000, description="how often it plays; 0 is for ever")


class AtlasSpec(SpecModel):
    """Sprites packed into one picture, with a file that says where each is."""

    form: Literal["texturepacker-hash", "texturepacker-array", "aseprite", "godot"] = Field(
        default="texturepacker-hash", description="of the data, as engines read it"
    )
    data: str | None = Field(
        default=None, description="the data's file; the picture's name with .json or .tpsheet"
    )
    gap: int = Field(default=2, ge=0, le=64, description="pixels between sprites")
    trim: bool = Field(default=True, description="leave out what is transparent around each")
    longest: int = Field(default=4096, ge=16, le=16384, description="how long a side may become")
    scales: tuple[Literal[1, 2, 3, 4], ...] = Field(
        default=(1,),
        min_length=1,
        max_length=4,
        description="1 and 2: for screens of more pixels also NAME-2x",
    )
    milliseconds: int = Field(
        default=100, ge=1, le=60_000, description="how long a frame is shown, for aseprite"
    )


class SrcsetSpec(SpecModel):
    """One picture in several widths and formats, with the HTML that offers them."""

    widths: tuple[Annotated[int, Field(ge=16, le=8192)], ...] = Field(
        default=(480, 960, 1600),
        min_length=1,
        max_length=16,
        description="in pixels; wider than it is are left out",
    )
    formats: tuple[Literal["avif", "webp", "jpg", "png"], ...] = Field(
        default=("avif", "webp", "jpg"), min_length=1, description="the last is for those that know no other"
    )
    sizes: str = Field(default="100vw", description="how wide the page shows it, as HTML's `sizes`")
    alt: Text = Field(default="", description="what it shows, in words")


def srcset_names(save: str, spec: SrcsetSpec) -> dict[str, tuple[int, str]]:
    """Return the pictures' names, each with its width and format."""
    stem = save.rpartition(".")[0]
    return {f"{stem}-{width}.{form}": (width, form) for form in spec.formats for width in sorted(spec.widths)}


def atlas_names(save: str, spec: AtlasSpec) -> dict[int, tuple[str, str]]:
    """Return the names of an atlas and its data, by scale."""
    stem, _, suffix = save.rpartition(".")
    ending = "tpsheet" if spec.form == "godot" else "json"
    data_stem, _, data_suffix = (spec.data or f"{stem}.{ending}").rpartition(".")
    return {
        scale: (
            f"{stem}{'' if scale == 1 else f'-{scale}x'}.{suffix}",
            f"{data_stem}{'' if scale == 1 else f'-{scale}x'}.{data_suffix}",
        )
        for scale in spec.scales
    }


class PageSpec(SpecModel):
    """Pictures as pages of a .pdf, one on each."""

    paper: Literal["A3", "A4", "A5", "letter", "picture"] = Field(
        default="A4", description="the paper; `picture` is as large as the picture"
    )
    turned: bool = Field(default=False, description="whether the paper lies on its long side")
    margin: LengthsText = Field(default="5%", description="around the picture")
    dpi: int = Field(default=300, ge=36, le=1200, description="pixels of an inch")


class TileCheck(SpecModel):
    """Whether a picture can be laid beside itself without a seam."""

    tolerance: float = Field(
        default=12.0, ge=0, le=255, description="how much edges may differ more than neighbours"
    )


class NineSliceCheck(SpecModel):
    """Whether a picture's edges and middle can be stretched: its corners stay."""

    slices: LengthsText = Field(description="the corners' sizes: top right bottom left")
    tolerance: float = Field(
        default=12.0, ge=0, le=255, description="how much what is stretched may change along"
    )
