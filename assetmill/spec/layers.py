"""What is laid over a picture: texts, other pictures, shapes, gradients; as a person writes it."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from assetmill.spec import measures
from assetmill.spec.base import SpecModel
from assetmill.spec.short_forms import NUMBER, TEXT, WHOLE_NUMBER, ShortForms
from assetmill.spec.tools import Names


def is_template(text: str) -> bool:
    """Whether a text is to be written yet."""
    return "{{" in text or "{%" in text


def checked(parse: Callable[[str], object]) -> AfterValidator:
    """Let a text be checked as it is read, unless it is a template: that is checked once it is written."""

    def check(value: str) -> str:
        if not is_template(value):
            parse(value)
        return value

    return AfterValidator(check)


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, ShortForms(_as_text, NUMBER)]
ColourText = Annotated[Text, checked(measures.parse_colour)]
BoxText = Annotated[Text, checked(measures.parse_box)]
LengthText = Annotated[Text, checked(measures.parse_length)]
LengthsText = Annotated[Text, checked(measures.parse_lengths)]


def _under(key: str) -> ShortForms:
    return ShortForms(
        lambda value: {key: value} if isinstance(value, str | int) else value, TEXT, WHOLE_NUMBER
    )


class OutlineSpec(SpecModel):
    """A line around letters: `outline: white`."""

    colour: ColourText = Field(default="white", description="its colour")
    width: int = Field(default=2, ge=1, le=64, description="its width in pixels")


class ShadowSpec(SpecModel):
    """A shadow under letters: `shadow: "#0008"`."""

    colour: ColourText = Field(default="#0008", description="its colour")
    right: int = Field(default=2, ge=-200, le=200, description="how far to the right it falls, in pixels")
    down: int = Field(default=2, ge=-200, le=200, description="how far down it falls, in pixels")
    blur: int = Field(default=4, ge=0, le=200, description="how soft it is, in pixels")


class PlateSpec(SpecModel):
    """A ground under letters: `plate: white`."""

    colour: ColourText = Field(default="#fffc", description="its colour")
    margin: LengthText = Field(default="24", description="how far it reaches beyond the letters")
    radius: int = Field(default=0, ge=0, le=2000, description="of its corners, in pixels")


_OF_TEXT = (
    "font", "size", "weight", "align", "rise", "fit", "line_height", "language", "direction", "hyphenate",
    "phrases", "min_contrast", "outline", "shadow", "plate",
)  # fmt: skip
_OF_PLACE = ("at", "width", "height", "margin")


class LayerSpec(SpecModel):
    """One layer: exactly one of text, picture, shape and gradient, in a box or at a place."""

    text: Text | None = Field(default=None, description="what is written; it breaks into lines where it must")
    picture: Text | None = Field(
        default=None, description="a picture: a stage before, an input, an entry before"
    )
    shape: Literal["rectangle", "ellipse"] | None = Field(default=None, description="a form of one colour")
    gradient: Annotated[tuple[ColourText, ...], Field(min_length=2, max_length=8)] | None = Field(
        default=None, description="colours that go over into each other"
    )
    box: BoxText | None = Field(
        default=None, description="where it lies: `left top width height`; without one, all of the picture"
    )
    at: Annotated[Text, checked(measures.parse_anchor)] | None = Field(
        default=None, description="in place of a box: top, bottom, left, right, centre, as `bottom right`"
    )
    width: LengthText | None = Field(default=None, description="with `at`: how wide it is")
    height: LengthText | None = Field(default=None, description="with `at`: how high it is")
    margin: LengthText | None = Field(default=None, description="with `at`: how far from the edge it stays")
    opacity: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="of the layer, up to 1"
    )
    colour: ColourText | None = Field(default=None, description="of letters or a shape; black")
    radius: Annotated[int, Field(ge=0, le=4000)] | None = Field(
        default=None, description="of a rectangle's corners, in pixels"
    )
    towards: Literal["right", "down", "left", "up"] | None = Field(
        default=None, description="where a gradient ends; down"
    )
    font: Names | None = Field(
        default=None,
        description="fonts of configs/fonts.toml; each letter takes the first that has it",
    )
    size: Annotated[Text, checked(measures.parse_span)] | None = Field(
        default=None,
        description="of letters in pixels: 48, or 24..96 for the largest that fits",
    )
    weight: Annotated[int, Field(ge=100, le=900)] | None = Field(
        default=None, description="of letters: 400 is regular, 700 bold"
    )
    align: Literal["start", "centre", "end", "left", "right"] | None = Field(
        default=None, description="of lines; start is where the language begins"
    )
    rise: Literal["top", "middle", "bottom"] | None = Field(
        default=None, description="of a text in its box; top"
    )
    fit: Literal["shrink"] | None = Field(
        default=None,
        description="shrink: as large as fits between the two sizes, as always",
    )
    line_height: Annotated[float, Field(ge=0.5, le=4)] | None = Field(
        default=None, description="from line to line, in sizes of letters; the fonts' own"
    )
    language: Text | None = Field(
        default=None, description="as `de` or `sr-Latn`: for letters' forms, for where words break"
    )
    direction: Literal["auto", "ltr", "rtl", "down"] | None = Field(
        default=None, description="of a paragraph; auto: as its first letter runs. down: in columns"
    )
    hyphenate: Literal[True] | None = Field(
        default=None, description="cut words where the language allows it"
    )
    phrases: Literal[True] | None = Field(
        default=None, description="end lines between phrases of Japanese and Chinese, words of Korean"
    )
    min_contrast: Annotated[float, Field(ge=1, le=21)] | None = Field(
        default=None, description="the WCAG ratio to what lies beneath: 4.5 for text, 3 for large letters"
    )
    outline: Annotated[OutlineSpec | None, _under("colour")] = Field(
        default=None, description="a line around letters"
    )
    shadow: Annotated[ShadowSpec | None, _under("colour")] = Field(
        default=None, description="a shadow under letters"
    )
    plate: Annotated[PlateSpec | None, _under("colour")] = Field(
        default=None, description="a ground under letters"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for fault in self._faults():
            raise ValueError(fault)
        return self

    def _faults(self) -> Iterator[str]:
        kinds = [name for name in ("text", "picture", "shape", "gradient") if getattr(self, name) is not None]
        if len(kinds) != 1:
            yield "a layer is exactly one of text, picture, shape, gradient"
        kind = kinds[0] if kinds else ""
        if kind != "text" and (given := self._given(_OF_TEXT)):
            yield f"{given} is of a text, and this layer is a {kind}: leave it out"
        if kind == "text" and self.font is None:
            yield "a text needs font: names of configs/fonts.toml"
        if self.box and (given := self._given(_OF_PLACE)):
            yield f"box says where it lies already: leave out {given}, or box"
        if not self.at and not self.box and (given := self._given(_OF_PLACE)):
            yield f"{given} goes with at: say where it lies, as at: bottom right"
        if kind == "picture" and self.colour:
            yield "a picture has its own colours: leave out colour"
        if self.hyphenate and not self.language:
            yield "words are cut by the rules of a language: give language"
        if self.phrases and not self.language:
            yield "phrases are those of a language: give language"
        if kind in {"shape", "gradient"} and self.at and not (self.width and self.height):
            yield f"a {kind} at a place needs width and height"
        if kind == "text" and self.at and not self.width:
            yield "a text at a place needs width: how long its lines may be"

    def _given(self, names: tuple[str, ...]) -> str:
        return next((name for name in names if getattr(self, name) is not None), "")
