"""What the image tool is asked for and what it gives back; which combinations a model refuses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from foundry_emulator.painter.errors import ImageToolError

FIXED_SIZES = ("1024x1024", "1536x1024", "1024x1536")
QUALITIES = ("low", "medium", "high", "xhigh", "max")
FORMATS = ("png", "jpeg", "webp", "gif")
BACKGROUNDS = ("transparent", "opaque", "auto")
LONGEST_EDGE = 3840
FEWEST_PIXELS, MOST_PIXELS = 655_360, 8_294_400
MOST_PROMPT_CHARACTERS = 32_000
CALLED_THEMSELVES = ("MAI-", "FLUX")
"""How the names of models begin that are no model of the image tool."""


@dataclass(frozen=True)
class ImageRequest:
    """One call of the image tool, defaults filled in; `seed` varies pictures of one prompt."""

    prompt: str
    action: Literal["generate", "edit"] = "generate"
    size: str = "auto"
    quality: str = "auto"
    output_format: str = "png"
    output_compression: int = 100
    background: str = "auto"
    input_fidelity: str | None = None
    pictures: tuple[bytes, ...] = ()
    mask: bytes | None = None
    partial_images: int = 0
    seed: str = ""
    model: str = "gpt-image-2"


@dataclass(frozen=True)
class Painted:
    """The picture, what was really done, and what a service would have counted for it."""

    data: bytes
    width: int
    height: int
    size: str
    quality: str
    background: str
    output_format: str
    revised_prompt: str
    partials: tuple[bytes, ...]
    output_tokens: int
    input_image_tokens: int
    input_text_tokens: int
    unknown: tuple[str, ...] = ()
    """What the prompt names and nobody here can draw: a stand-in was drawn, or it was left out."""


def has_free_sizes(model: str) -> bool:
    """Say whether the model takes any size in steps of 16, as gpt-image-2 and later do."""
    return not model.startswith(("gpt-image-1", "chatgpt-image"))


def has_fine_qualities(model: str) -> bool:
    """Say whether the model knows xhigh and max, as gpt-image-2.5 and later do."""
    return has_free_sizes(model) and not (model == "gpt-image-2" or model.startswith("gpt-image-2-"))


def rng_for(request: ImageRequest) -> np.random.Generator:
    """Return the request's own generator.

    Size, quality and format stay out of it: the same prompt keeps its composition when only they change.
    """
    text = "\x1f".join((request.seed, request.model, request.action, request.prompt))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def check(request: ImageRequest) -> None:
    """Refuse what the service would refuse.

    Raises:
        ImageToolError: with the parameter and the allowed values in its message.
    """
    _one_of("action", request.action, ("generate", "edit"))
    if not request.prompt.strip():
        raise ImageToolError("missing_required_parameter", "Missing required parameter: 'prompt'.")
    if len(request.prompt) > MOST_PROMPT_CHARACTERS:
        raise ImageToolError(
            "string_above_max_length", f"'prompt' is over {MOST_PROMPT_CHARACTERS} characters."
        )
    _check_quality(request)
    _check_format(request)
    if request.action == "edit" and not request.pictures:
        raise ImageToolError("missing_required_parameter", "An edit needs at least one input picture.")
    if request.input_fidelity is not None:
        _check_fidelity(request)
    if not 0 <= request.partial_images <= 3:
        raise ImageToolError("invalid_value", "'partial_images' must be between 0 and 3.")
    if request.size != "auto":
        checked_size(request.size, request.model)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        names = ", ".join(f"'{one}'" for one in allowed)
        raise ImageToolError(
            "invalid_value", f"Invalid value: '{value[:60]}'. '{name}' must be one of {names}."
        )


def _check_quality(request: ImageRequest) -> None:
    known = QUALITIES if has_fine_qualities(request.model) else QUALITIES[:3]
    _one_of("quality", request.quality, (*known, "auto"))


def _check_format(request: ImageRequest) -> None:
    if request.output_format == "svg":
        raise ImageToolError("unsupported_value", "'svg' output is not implemented by this emulator.")
    _one_of("output_format", request.output_format, FORMATS)
    _one_of("background", request.background, BACKGROUNDS)
    if request.background == "transparent" and request.output_format not in ("png", "webp"):
        raise ImageToolError(
            "invalid_value",
            f"Transparent background is not supported for '{request.output_format}'; use 'png' or 'webp'.",
        )
    if not 0 <= request.output_compression <= 100:
        raise ImageToolError("invalid_value", "'output_compression' must be between 0 and 100.")
    if request.output_compression != 100 and request.output_format in ("png", "gif"):
        raise ImageToolError("invalid_value", "'output_compression' below 100 needs 'jpeg' or 'webp'.")
    if request.output_format == "gif" and (request.mask is not None or request.partial_images):
        raise ImageToolError("invalid_value", "'gif' output takes neither a mask nor partial images.")


def _check_fidelity(request: ImageRequest) -> None:
    _one_of("input_fidelity", request.input_fidelity or "", ("high", "low"))
    if request.input_fidelity == "high" and request.model.startswith("gpt-image-1-mini"):
        raise ImageToolError("invalid_value", "'gpt-image-1-mini' does not support 'input_fidelity' 'high'.")


def checked_size(size: str, model: str) -> tuple[int, int]:
    """Return width and height if the model offers that size; whoever calls a model itself has checked it.

    Raises:
        ImageToolError: the text is no size, or not one of the model's.
    """
    width_text, _, height_text = size.partition("x")
    if not (size.isascii() and width_text.isdigit() and height_text.isdigit() and len(size) < 12):
        raise ImageToolError("invalid_value", f"Invalid size: '{size[:40]}'. Use 'WIDTHxHEIGHT' or 'auto'.")
    if not has_free_sizes(model):
        _one_of("size", size, (*FIXED_SIZES, "auto"))
    width, height = int(width_text), int(height_text)
    if has_free_sizes(model) and not model.startswith(CALLED_THEMSELVES):
        _check_free_size(width, height)
    return width, height


def _check_free_size(width: int, height: int) -> None:
    if width % 16 or height % 16 or not width or not height:
        raise ImageToolError(
            "invalid_value", f"Invalid size: {width}x{height}. Both edges must be divisible by 16."
        )
    if max(width, height) > LONGEST_EDGE or max(width, height) > 3 * min(width, height):
        raise ImageToolError(
            "invalid_value",
            f"Invalid size: {width}x{height}. No edge over {LONGEST_EDGE}, no ratio beyond 1:3 or 3:1.",
        )
    if not FEWEST_PIXELS <= width * height <= MOST_PIXELS:
        raise ImageToolError(
            "invalid_value",
            f"Invalid size: {width}x{height}. Pixels must number {FEWEST_PIXELS} to {MOST_PIXELS}.",
        )
