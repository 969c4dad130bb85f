"""Image models that are called themselves: Microsoft's MAI models, and FLUX as Foundry passes it on."""

from __future__ import annotations

import asyncio
import base64
import math
import re
from typing import TYPE_CHECKING, Any, Literal

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from foundry_emulator import data
from foundry_emulator.billing import prices
from foundry_emulator.boundary.errors import WireError, invalid, prompt_refused
from foundry_emulator.boundary.faults import damaged
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.jsons import Json
from foundry_emulator.routes.endpoint import Call, Operation, Reply
from foundry_emulator.routes.uploads import is_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundry_emulator.painter.image import ImageRequest, Painted

Route = Literal["mai", "bfl"]
_PIXELS_PER_TOKEN = 1024
_MEGAPIXEL = 1024 * 1024
_MOST_EDITED = 1024 * 1024
_GRID = 16
_FLUX_2 = ("width", "height", "num_images", "n")
_FLUX_SHAPES = {"flux-pro-1.1": ("width", "height"), "flux-kontext-pro": ("aspect_ratio",)}
_RATIO = re.compile(r"([1-9]\d?):([1-9]\d?)")
_WIDEST = 21 / 9


def _model(call: Call, name: str, route: Route, path: str = "") -> Json:
    """Return what a deployment's model does.

    Raises:
        WireError: 404 where it is not deployed or no model of this address, 410 where it is retired.
    """
    known = next((one for one in data.direct_models() if one["model"] == name), None)
    if known is None or known["route"] != route or known["path"] != path:
        message = f"The API deployment '{name[:80]}' does not exist for this resource."
        raise WireError(404, "DeploymentNotFound", message, param="model")
    if call.project.is_retired(name):
        raise WireError(410, "410", f"The model of the deployment '{name[:80]}' has been retired.")
    return known


def _size(model: Json, wide: int, high: int) -> str:
    """Return a size that the model draws.

    Raises:
        WireError: 400 that names the rule.
    """
    words = "Model does not support request parameter value supplied: "
    for name, side in (("width", wide), ("height", high)):
        if side < model["shortest"]:
            rule = f"'{name}' must be at least {model['shortest']} pixels."
            raise invalid(words + rule, name, "unsupported_request_value")
        if side % model["step"]:
            rule = f"'{name}' must be divisible by {model['step']}."
            raise invalid(words + rule, name, "unsupported_request_value")
    if wide * high > model["most_pixels"]:
        rule = f"'width' x 'height' must not exceed {model['most_pixels']} pixels."
        raise invalid(words + rule, "width", "unsupported_request_value")
    return f"{wide}x{high}"


async def _drawn(call: Call, model: Json, request: ImageRequest) -> Painted:
    """Draw one picture and charge it.

    Raises:
        WireError: a quota, the content filter or the painter refused it, and nothing was charged.
    """
    from foundry_emulator.painter.image import ImageToolError

    project, name = call.project, str(model["model"])
    project.quota.admit(project.settings.quota, {name: {"requests": 1, "images": 1}})
    if categories := project.tools.refuses(request.prompt):
        raise prompt_refused(categories)

    def work() -> Painted:
        with project.cores:
            return project.tools.paint(request)

    try:
        painted = await asyncio.get_running_loop().run_in_executor(project.pool, work)
    except ImageToolError as problem:
        raise invalid(str(problem), None, "invalid_request") from problem
    project.note_unknown(painted.unknown, call.request_id)
    _charge(call, model, painted)
    return painted


def _tokens(painted: Painted, request: ImageRequest) -> Json:
    """Return what a MAI model reports; of the pictures that it read it is a guess."""
    drawn = math.ceil(painted.width * painted.height / _PIXELS_PER_TOKEN)
    return {
        "num_output_tokens": drawn,
        "num_input_text_tokens": painted.input_text_tokens,
        "num_input_image_tokens": drawn * len(request.pictures),
    }


def _charge(call: Call, model: Json, painted: Painted) -> None:
    billing, name = call.project.billing, str(model["model"])
    if model["route"] == "bfl":
        if name in prices()["picture"]:
            return billing.picture(call.request_id, name, size=painted.size)
        count = math.ceil(painted.width * painted.height / _MEGAPIXEL)
        return billing.megapixels(call.request_id, name, size=painted.size, count=count)
    drawn = math.ceil(painted.width * painted.height / _PIXELS_PER_TOKEN)
    billing.image(
        call.request_id,
        name,
        call_id=call.request_id,
        size=painted.size,
        quality="",
        output_tokens=drawn,
        input_image_tokens=drawn if painted.input_image_tokens else 0,
        input_text_tokens=painted.input_text_tokens,
        partial_images=0,
    )


def _pictures(call: Call, painted: Painted) -> list[Json]:
    """Return the list of pictures as the reply has it, spoilt as a fault says."""
    fault = call.fault.name if call.fault else ""
    if fault == "empty_result":
        return []
    if fault == "moderation_output":
        return [{"b64_json": None, "content_filter_results": {"violence": {"filtered": True}}}]
    return [{"b64_json": damaged(fault, base64.b64encode(painted.data)).decode()}]


def _mai_reply(call: Call, painted: Painted, request: ImageRequest) -> Reply:
    body: Json = {
        "created": call.project.clock.stamp(),
        "data": _pictures(call, painted),
        "model": request.model,
        "size": painted.size,
        "usage": _tokens(painted, request),
    }
    return Reply(body)


def _off(fields: Fields, *names: str) -> None:
    """Refuse options that the emulator cannot carry out, unless they are off."""
    for name in names:
        if fields.boolean(name):
            raise invalid(
                f"The assetmill emulator does not implement '{name}'.", name, "operation_not_emulated"
            )


async def generate(call: Call) -> Reply:
    """Draw with a MAI model."""
    from foundry_emulator.painter.image import ImageRequest

    fields = await call.fields()
    fields.only("model", "prompt", "width", "height", "auto_aspect_ratio", "web_grounding")
    _off(fields, "auto_aspect_ratio", "web_grounding")
    model = _model(call, fields.need_text("model"), "mai")
    wide = fields.integer("width", 0, 10_000) or 1024
    high = fields.integer("height", 0, 10_000) or 1024
    size = _size(model, wide, high)
    request = ImageRequest(fields.need_text("prompt"), size=size, quality="medium", model=model["model"])
    return _mai_reply(call, await _drawn(call, model, request), request)


async def edit(call: Call) -> Reply:
    """Edit one picture with a MAI model, which chooses the size."""
    from foundry_emulator.painter.image import ImageRequest

    texts, pictures = await _form(call)
    fields = Fields(texts)
    fields.only("model", "prompt")
    model = _model(call, fields.need_text("model"), "mai")
    if len(pictures) != model["inputs"]:
        raise invalid(f"Expected one 'image', but got {len(pictures)}.", "image", "unsupported_request_value")
    request = ImageRequest(
        fields.need_text("prompt"),
        action="edit",
        size=_like(pictures[0]),
        quality="medium",
        model=model["model"],
        pictures=tuple(pictures),
    )
    return _mai_reply(call, await _drawn(call, model, request), request)


async def _form(call: Call) -> tuple[dict[str, Any], list[bytes]]:
    if not is_form(call):
        raise WireError(415, "unsupported_content_type", "Send the picture as multipart/form-data.")
    texts: dict[str, Any] = {}
    pictures: list[bytes] = []
    try:
        async with call.request.form(max_files=4, max_fields=20) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile) and name == "image":
                    pictures.append(await value.read())
                else:
                    texts[name] = value
    except (HTTPException, ValueError, KeyError) as problem:
        raise invalid("The multipart form could not be read.", None, "invalid_form") from problem
    return texts, pictures


def _like(picture: bytes) -> str:
    """Return the shape of a picture within the pixels that an edit may have."""
    from foundry_emulator.painter import intake
    from foundry_emulator.painter.image import ImageToolError

    try:
        wide, high = intake.opened(picture, "input picture 1").size
    except ImageToolError as problem:
        raise invalid(str(problem), "image", "invalid_request") from problem
    scale = math.sqrt(_MOST_EDITED / (wide * high))
    return "x".join(str(max(_GRID, round(side * scale / _GRID) * _GRID)) for side in (wide, high))


async def draw_flux(call: Call) -> Reply:
    """Draw or edit with a FLUX model."""
    from foundry_emulator.painter.image import ImageRequest

    fields = await call.fields()
    if not call.query("api-version"):
        raise WireError(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
    path = call.path("model_path")
    model = _model(call, fields.need_text("model"), "bfl", path)
    numbered = ("input_image", *(f"input_image_{number}" for number in range(2, model["inputs"] + 1)))
    shape = _FLUX_SHAPES.get(path, _FLUX_2)
    numbered = numbered if model["inputs"] else ()
    fields.only("model", "prompt", "output_format", "seed", "safety_tolerance", *shape, *numbered)
    for name in ("num_images", "n"):
        fields.integer(name, 1, 1)
    fields.integer("safety_tolerance", 0, 6)
    seed = fields.integer("seed", 0, 2**63)
    pictures = tuple(_decoded(fields, name) for name in numbered if fields.has(name))
    request = ImageRequest(
        fields.need_text("prompt"),
        action="edit" if pictures else "generate",
        size=_flux_size(fields, model, pictures),
        quality="medium",
        output_format=fields.choice("output_format", ("png", "jpeg")) or "png",
        pictures=pictures,
        seed="" if seed is None else str(seed),
        model=model["model"],
    )
    painted = await _drawn(call, model, request)
    return Reply({"created": call.project.clock.stamp(), "data": _pictures(call, painted)})


def _flux_size(fields: Fields, model: Json, pictures: Sequence[bytes]) -> str:
    """Return what a FLUX model draws: the size it is told, or for Kontext a megapixel of a ratio."""
    if "aspect_ratio" in _FLUX_SHAPES.get(model["path"], ()):
        asked = fields.text("aspect_ratio")
        return _like(pictures[0]) if pictures and not asked else _sized(asked or "1:1")
    wide = fields.integer("width", 0, 10_000) or 1024
    high = fields.integer("height", 0, 10_000) or 1024
    return _size(model, wide, high)


def _sized(asked: str) -> str:
    """Return about a megapixel of a ratio.

    Raises:
        WireError: it is none, or its sides differ too much.
    """
    match = _RATIO.fullmatch(asked or "1:1")
    wide, high = (int(part) for part in match.groups()) if match else (1, 99)
    if max(wide / high, high / wide) > _WIDEST:
        raise invalid(f"Invalid 'aspect_ratio': '{asked[:20]}' is not between 21:9 and 9:21.", "aspect_ratio")
    scale = math.sqrt(_MEGAPIXEL / (wide * high))
    return "x".join(str(round(side * scale / _GRID) * _GRID) for side in (wide, high))


def _decoded(fields: Fields, name: str) -> bytes:
    try:
        return base64.b64decode(fields.need_text(name), validate=True)
    except ValueError as problem:
        raise invalid(f"Invalid '{name}': no base64.", name) from problem


OPERATIONS = (
    Operation("image_models.generate", "POST", "/mai/v1/images/generations", generate, "MAI models"),
    Operation("image_models.edit", "POST", "/mai/v1/images/edits", edit, "MAI models; one picture, no size"),
    Operation(
        "image_models.flux",
        "POST",
        "/providers/blackforestlabs/v1/{model_path}",
        draw_flux,
        "FLUX models; answers at once, never with a job",
    ),
)
