"""The checks that a produced file must pass before a stage counts as done, as a person writes them.

They decide which result is accepted, not what the service is asked for: docs/decisions/0007-checks.md.
"""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, Field, field_validator, model_validator

from assetmill.spec.base import SpecModel
from assetmill.spec.image_models import parse_size
from assetmill.spec.reading import Where
from assetmill.spec.short_forms import TEXT, TEXTS, Bytes, ShortForms

Write = Callable[[Where, str], str]
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}|#[0-9a-fA-F]{3}")
_RATIO = re.compile(r"(\d{1,5}(?:\.\d+)?)\s*[:/]\s*(\d{1,5}(?:\.\d+)?)")


def _under(key: str) -> ShortForms:
    """Let a check be written as its main value alone."""

    def widen(value: Any) -> Any:
        if value is None or isinstance(value, Mapping | BaseModel):
            return cast(Any, value)
        if key == "rubric" and isinstance(value, list):
            return {"questions": cast(Any, value)}
        return {key: [value] if isinstance(value, str) and key != "rubric" else value}

    return ShortForms(widen, TEXT, TEXTS)


def _switched(value: Any) -> Any:
    return {} if value is True else None if value is False else value


class DuplicateCheck(SpecModel):
    """No near duplicate: more than `distance` of 256 bits differ from every other picture of the run."""

    distance: int = Field(default=16, ge=0, le=128)
    among: Literal["run", "stage"] = "run"


class PaletteCheck(SpecModel):
    """At least `share` of the picture lies within `distance` (CIEDE2000) of one of the colours."""

    colours: tuple[str, ...] = Field(min_length=1, max_length=32)
    distance: float = Field(default=12.0, gt=0, le=100)
    share: float = Field(default=0.6, gt=0, le=1)

    @field_validator("colours")
    @classmethod
    def _are_colours(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for colour in value:
            if "{" not in colour and not _COLOUR.fullmatch(colour):
                raise ValueError(f"{colour[:60]!r} is not a colour: write #rrggbb")
        return value


class TextCheck(SpecModel):
    """Optical character recognition finds at least `share` of the words of every text in `contains`."""

    contains: tuple[str, ...] = Field(min_length=1, max_length=32)
    language: str = Field(default="eng", pattern=r"^[A-Za-z_]{3,20}(\+[A-Za-z_]{3,20}){0,4}$")
    share: float = Field(default=1.0, gt=0, le=1)


Questions = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=500)], ...], Field(min_length=1, max_length=20)
]
FROM_PROMPT = "from prompt"
"""Instead of questions: they are made from the stage's prompt, once, by the model that judges first."""


class JudgeCheck(SpecModel):
    """An agent sees the picture and scores it after the rubric, from 0 to 1, or answers yes or no questions.

    The score of questions is counted here: the share of them to which every judge says yes. Several `judges`
    are models that are asked apart from each other.
    """

    rubric: str | None = Field(default=None, min_length=1, max_length=8000)
    questions: Questions | Literal["from prompt"] | None = None
    pass_score: float = Field(default=0.7, ge=0, le=1)
    model: str | None = None
    judges: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=3)

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if (self.rubric is None) == (self.questions is None):
            raise ValueError("give one of rubric and questions")
        if self.model and self.judges:
            raise ValueError("give one of model and judges")
        for words, what in ((self.judges, "judges"), (self.listed, "questions")):
            if words and len(set(words)) < len(words):
                raise ValueError(f"two of the {what} are the same")
        return self

    @property
    def is_from_prompt(self) -> bool:
        """Whether its questions have yet to be made from the prompt."""
        return self.questions == FROM_PROMPT

    @property
    def listed(self) -> tuple[str, ...]:
        """Its questions, as far as they are known."""
        return () if self.questions is None or isinstance(self.questions, str) else self.questions

    @property
    def asked(self) -> str:
        """What a judge is asked, as text."""
        return self.rubric or "\n".join(f"{n}. {text}" for n, text in enumerate(self.listed, start=1))

    def models(self, otherwise: str) -> tuple[str, ...]:
        """Return the models that judge; the stage's own where none is named."""
        return self.judges or (self.model or otherwise,)


class ChecksSpec(SpecModel):
    """What every file of an output must pass. Left out means not asked."""

    decodes: Literal[True] | None = None
    size: str | None = None
    aspect: str | None = None
    format: Literal["png", "jpeg", "webp", "gif"] | None = None
    alpha: bool | None = None
    not_blank: Literal[True] | None = None
    not_duplicate: Annotated[DuplicateCheck | None, ShortForms(_switched, {"type": "boolean"})] = None
    palette: Annotated[PaletteCheck | None, _under("colours")] = None
    text: Annotated[TextCheck | None, _under("contains")] = None
    max_bytes: Annotated[Bytes, Field(gt=0)] | None = None
    judge: Annotated[JudgeCheck | None, _under("rubric")] = None

    @field_validator("size")
    @classmethod
    def _is_size(cls, value: str | None) -> str | None:
        if value and "{" not in value and not parse_size(value):
            raise ValueError(f"{value[:60]!r} is not a size: write WIDTHxHEIGHT, as 1200x630")
        return value

    @field_validator("aspect")
    @classmethod
    def _is_ratio(cls, value: str | None) -> str | None:
        if value and "{" not in value and not parse_ratio(value):
            raise ValueError(f"{value[:60]!r} is not an aspect ratio: write 16:9")
        return value

    def facts(self) -> dict[str, Any]:
        """Return what is asked as plain data, without what is not."""
        return self.model_dump(mode="json", exclude_none=True)

    def texts(self, where: Where) -> Iterator[tuple[Where, str]]:
        """Yield every text that may be a template, with its place."""
        yield from _texts(where, self.facts())

    def written(self, where: Where, write: Write) -> Self:
        """Return the checks with their templates written.

        Raises:
            ValidationError: what a template wrote is no size, colour or ratio.
        """
        return type(self).model_validate(_written(where, self.facts(), write))

    @property
    def needs_picture(self) -> bool:
        """Whether anything but the number of bytes is asked."""
        return bool(self.model_fields_set - {"max_bytes"})


def parse_ratio(text: str) -> float | None:
    """Return width divided by height, None when the text is no ratio."""
    found = _RATIO.fullmatch(text.strip())
    if not found or not float(found[1]) or not float(found[2]):
        return None
    return float(found[1]) / float(found[2])


def _texts(where: Where, value: Any) -> Iterator[tuple[Where, str]]:
    if isinstance(value, str):
        if "{" in value:
            yield where, value
        return
    for key, inner in _inside(value):
        yield from _texts((*where, key), inner)


def _written(where: Where, value: Any, write: Write) -> Any:
    if isinstance(value, str):
        return write(where, value)
    if isinstance(value, Mapping):
        return {key: _written((*where, key), inner, write) for key, inner in _inside(value)}
    return [_written((*where, key), inner, write) for key, inner in _inside(value)] or value


def _inside(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        return list(cast(Mapping[str, Any], value).items())
    return list(enumerate(cast(list[Any], value))) if isinstance(value, list) else []
