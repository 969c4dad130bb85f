"""The image tool: paints what a prompt asks for, or edits the pictures it was given.

Everything is procedural and a function of the request alone; no model is involved and none is claimed.
"""

from __future__ import annotations

from PIL import Image

from foundry_emulator.painter import brief as briefs
from foundry_emulator.painter import edits, intake, tokens
from foundry_emulator.painter.compose import compose
from foundry_emulator.painter.encode import encoded, partials
from foundry_emulator.painter.errors import ImageToolError
from foundry_emulator.painter.request import (
    ImageRequest,
    Painted,
    check,
    checked_size,
    has_free_sizes,
    rng_for,
)

__all__ = ["ImageRequest", "ImageToolError", "Painted", "check", "paint"]

AUTO_SIZES = {"square": (1024, 1024), "landscape": (1536, 1024), "portrait": (1024, 1536)}


def paint(request: ImageRequest) -> Painted:
    """Carry out one image call; the same request gives the same bytes.

    Raises:
        ImageToolError: the request is one that the service refuses, or a picture cannot be read.
    """
    check(request)
    quality = "high" if request.quality == "auto" else request.quality
    if request.action == "edit":
        (image, input_sizes), missing = _edited(request, quality), ()
    else:
        (image, missing), input_sizes = _generated(request, quality), ()
    is_clear = image.mode == "RGBA"
    views = partials(image, request.partial_images)
    width, height = image.size
    return Painted(
        data=encoded(image, request.output_format, request.output_compression),
        width=width,
        height=height,
        size=f"{width}x{height}",
        quality=quality,
        background="transparent" if is_clear else "opaque",
        output_format=request.output_format,
        revised_prompt=_revised(request),
        partials=tuple(encoded(view, request.output_format, request.output_compression) for view in views),
        output_tokens=tokens.output_tokens(request.model, image.size, quality, len(views)),
        input_image_tokens=tokens.image_tokens(input_sizes, request.input_fidelity),
        input_text_tokens=tokens.text_tokens(request.prompt),
        unknown=missing,
    )


def _generated(request: ImageRequest, quality: str) -> tuple[Image.Image, tuple[str, ...]]:
    understood = briefs.read(request.prompt)
    size = AUTO_SIZES[understood.orientation]
    if request.size != "auto":
        size = checked_size(request.size, request.model)
    is_clear = request.background == "transparent"
    image = compose(understood, size, quality, rng_for(request), is_clear=is_clear)
    return image, understood.unknown


def _edited(request: ImageRequest, quality: str) -> tuple[Image.Image, tuple[tuple[int, int], ...]]:
    if len(request.pictures) > intake.MOST_PICTURES:
        raise ImageToolError("invalid_value", f"An edit takes at most {intake.MOST_PICTURES} pictures.")
    pictures = [intake.opened(data, f"input picture {at + 1}") for at, data in enumerate(request.pictures)]
    sizes = tuple(picture.size for picture in pictures)
    if request.size == "auto":
        size = edits.size_like(sizes[0], is_free=has_free_sizes(request.model))
    else:
        size = checked_size(request.size, request.model)
    mask = intake.mask_for(request.mask, sizes[0]) if request.mask is not None else None
    order = edits.Order(
        request.prompt, size, quality, request.background, pictures[0], tuple(pictures[1:]), mask
    )
    return edits.carry_out(order, rng_for(request)), sizes


def _revised(request: ImageRequest) -> str:
    """Return the prompt as a service would echo it: one paragraph, the action named."""
    text = " ".join(request.prompt.split())
    return text if request.action == "generate" else f"Edit the picture: {text}"
