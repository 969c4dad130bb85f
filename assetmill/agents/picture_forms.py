"""In which form a service is told of an input picture, and which form is tried when one is refused.

Services have refused each of them at some time, and in words of their own: so any definite refusal of a
request that carries pictures is a reason to try the next form, which costs nothing. Only when a later form is
then accepted is the earlier one to blame.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, cast, get_args

from assetmill.endpoints import Ability
from assetmill.errors import Rejected
from assetmill.records import PictureForm

FORMS: tuple[PictureForm, ...] = get_args(PictureForm)
"""In the order in which they are tried: the call that drew it, a file, an address, its bytes, a copy."""

SMALL_CHARS = 65_000
"""Data URLs above 65,520 characters were refused for weeks at a time."""

_NO_FORM_HELPS = re.compile(r"required 'reasoning' item", re.IGNORECASE)
"""A model's wish, not an endpoint's limit: nothing is learnt from it."""


def form_of(used: Iterable[Mapping[str, Any]]) -> PictureForm | None:
    """Return the form in which a request carries its pictures: the earliest one, None when it has none."""
    found = set(_forms(used))
    return next((form for form in FORMS if form in found), None)


def _forms(used: Iterable[Mapping[str, Any]]) -> Iterator[PictureForm]:
    for item in used:
        if item.get("type") == "image_generation_call":
            yield "image_call"
        for part in cast("Iterable[Mapping[str, Any]]", item.get("content") or ()):
            if part.get("type") == "input_image":
                yield _form_of_part(part)


def _form_of_part(part: Mapping[str, Any]) -> PictureForm:
    url = str(part.get("image_url") or "")
    if part.get("file_id"):
        return "image_file"
    if not url.startswith("data:"):
        return "image_url"
    return "image_data" if len(url) > SMALL_CHARS else "image_small"


def may_be_the_form(error: Rejected) -> bool:
    """Whether a refusal may be about the form in which pictures were sent."""
    return type(error) is Rejected and error.status == 400


def teaches(reason: str) -> bool:
    """Whether a refusal says something of the endpoint, once another form was accepted."""
    return not _NO_FORM_HELPS.search(reason)


def next_forms(avoided: Collection[Ability]) -> tuple[PictureForm, ...]:
    """Return the forms that are left to try."""
    return tuple(form for form in FORMS if form not in avoided)


def small_copy(data: bytes) -> bytes:
    """Return a picture's smaller copy as JPEG or PNG, so small that its data URL is short."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data)) as opened:
        picture = ImageOps.exif_transpose(opened)
        has_alpha = "A" in picture.getbands()
        picture = picture.convert("RGBA" if has_alpha else "RGB")
    side = 1024
    while True:
        copy = picture.copy()
        copy.thumbnail((side, side))
        buffer = io.BytesIO()
        copy.save(buffer, "PNG" if has_alpha else "JPEG", **({} if has_alpha else {"quality": 85}))
        if len(buffer.getvalue()) * 4 / 3 < SMALL_CHARS - 100 or side <= 64:
            return buffer.getvalue()
        side = side * 3 // 4
