"""What a person asks of an edit, and the stage calls that it becomes.

An edit is a stage like any other, of a pipeline that has no file: it has intents, a budget and records, and
asking for the same edit again finds the first one.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from assetmill.agents.told import told_ends
from assetmill.editing.retouch.composite import DEFAULT_FEATHER_PX
from assetmill.editing.retouch.frame import WHOLE, Window
from assetmill.errors import InvalidInput
from assetmill.names import distinct, safe_name
from assetmill.plan.calls import EMULATED, BoundInput, ExpectedOutput, StageCall
from assetmill.records import AssetRecord
from assetmill.settings import Settings
from assetmill.spec.image_models import ImageModel, load_image_models, parse_size

PIPELINE = "edit"
STAGE = "edit"
COMPOSITE = "composite"
"""The stage that puts the original back outside a mask."""

MOST_REPLICAS = 16
MOST_REFERENCES = 15
"""The image tool takes 16 pictures, of which the edited one is the first."""

DEFAULT_QUALITY = "medium"
PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})

_EDITED = re.compile(r"-(?:edit|provider)(?:-\d+)?$")

_PICTURE_RULES = (
    "Edit the given picture as the user asks, with the image generation tool, in one call. The first picture"
    " is the one to edit, any further ones are references. Change nothing that was not asked for: keep"
    " composition, subjects, lettering and colours elsewhere as they are."
)
_FILE_RULES = (
    "Edit the given file as the user asks, by running code. Read it from where it is mounted, change only"
    " what was asked for, and save the result under /mnt/data with the name that the user gives."
)


@dataclass(frozen=True)
class EditOrder:
    """An edit as a person gives it. Assets and files are references in any form that `AssetFinder` takes.

    At most one of `mask`, `box` (`X,Y,W,H`) and `is_masked_by_alpha` says where the picture may change.
    """

    asset: str
    instruction: str
    mask: str | None = None
    box: str | None = None
    is_masked_by_alpha: bool = False
    references: tuple[str, ...] = ()
    model: str | None = None
    size: str | None = None
    quality: str | None = None
    replicas: int = 1
    feather_px: int = DEFAULT_FEATHER_PX
    frames: int = 0
    """Partial pictures to be sent while it is drawn, for who watches; they cost a little more."""

    def check(self) -> None:
        """Refuse an order that cannot be carried out, whatever the asset.

        Raises:
            InvalidInput: naming what is wrong.
        """
        if not self.instruction.strip():
            raise InvalidInput("say what to change: the instruction is empty")
        if sum([self.mask is not None, self.box is not None, self.is_masked_by_alpha]) > 1:
            raise InvalidInput("give one of --mask, --box and --mask-from-alpha, not several")
        if not 1 <= self.replicas <= MOST_REPLICAS:
            raise InvalidInput(f"n is {self.replicas}: ask for 1 to {MOST_REPLICAS} results")
        if len(self.references) > MOST_REFERENCES:
            raise InvalidInput(f"{len(self.references)} references: at most {MOST_REFERENCES}")
        if not 0 <= self.feather_px <= 256:
            raise InvalidInput(f"feather {self.feather_px}: give 0 to 256 pixels")

    @property
    def is_masked(self) -> bool:
        """Whether something of the picture must stay as it is."""
        return self.mask is not None or self.box is not None or self.is_masked_by_alpha

    def facts(self) -> dict[str, Any]:
        """Return the order as a run's manifest keeps it."""
        facts = {key: value for key, value in vars(self).items() if value}
        return {**facts, "references": list(self.references)} if self.references else facts


@dataclass(frozen=True)
class Subject:
    """What is edited: the asset, and, for a picture, its upright size and what the service is given of it.

    `given` is the asset itself or a derivative of another shape, of which the original is `window`.
    """

    asset: AssetRecord
    size: tuple[int, int] | None
    has_alpha: bool
    given: AssetRecord
    window: Window = WHOLE
    mask: AssetRecord | None = None
    """The mask as the service gets it, for `given`."""

    own_mask: AssetRecord | None = None
    """The mask at the original's size, by which the result is put back."""

    profile: str = ""
    """What the colour profile of the original calls itself, where it is another than sRGB."""


def is_picture(asset: AssetRecord) -> bool:
    """Whether the image tool can edit an asset; everything else is edited with code."""
    return asset.blob.media_type in PICTURES


def image_model(order: EditOrder, settings: Settings) -> ImageModel:
    """Return the capabilities of the image model that the order or the profile names.

    Raises:
        InvalidInput: it is in no table.
    """
    name = order.model or settings.foundry.image_model
    model = load_image_models(settings.configs).find(name)
    if model is None:
        raise InvalidInput(f"unknown image model {name!r}: see image_models.toml")
    return model._replace(name=name)


def drawn_size(order: EditOrder, model: ImageModel, size: tuple[int, int]) -> str:
    """Return the size to ask for: the order's, else the model's nearest to the picture's own."""
    if order.size:
        return order.size
    own = f"{size[0]}x{size[1]}"
    if model.any_size is None:
        return own if own in model.sizes else nearest_shape(size, model.sizes)
    return own if not model.any_size.fault(*size) else _scaled(size, model)


def edit_calls(
    order: EditOrder, subject: Subject, references: list[AssetRecord], settings: Settings
) -> list[StageCall]:
    """Return one call for each result that is asked for.

    Raises:
        InvalidInput: an option that the image model does not take.
    """
    call = (_picture_call if is_picture(subject.asset) else _file_call)(order, subject, references, settings)
    calls: list[StageCall] = []
    for replica in range(1, order.replicas + 1):
        # The first one is what asking for a single result gives, so that asking for more keeps it.
        extra: dict[str, Any] = {"replica": replica} if replica > 1 else {}
        extra |= dict([EMULATED]) if settings.uses_emulator else {}
        variant = f"replica={replica}" if replica > 1 else ""
        calls.append(replace(call, extra=extra, variant=variant))
    return calls


def result_name(
    asset: AssetRecord, replica: int = 1, suffix: str = "edit", extension: str | None = None
) -> str:
    """Return what an edit of an asset is called; an edit of an edit is not called `edit-edit`."""
    path = PurePath(asset.name)
    stem = _EDITED.sub("", path.stem) or "asset"
    number = f"-{replica}" if replica > 1 else ""
    return safe_name(f"{stem}-{suffix}{number}{f'.{extension}' if extension else path.suffix}")


def replica_of(call: StageCall) -> int:
    """Return the number of a call's result, from 1 on."""
    return int(call.extra.get("replica", 1))


def _picture_call(
    order: EditOrder, subject: Subject, references: list[AssetRecord], settings: Settings
) -> StageCall:
    model = image_model(order, settings)
    if model.route:
        return _direct_call(order, subject, references, model)
    size = drawn_size(order, model, (subject.given.width or 1, subject.given.height or 1))
    tool: dict[str, Any] = {
        "type": "image_generation",
        "action": "edit",
        "model": model.name,
        "size": size,
        "quality": order.quality or DEFAULT_QUALITY,
        "output_format": "png",
    }
    if order.frames:
        tool["partial_images"] = order.frames
    if subject.has_alpha and not order.is_masked_by_alpha and model.transparent:
        # Without being told, models lay an edit of a cut-out on a backdrop.
        tool["background"] = "transparent"
    default = settings.foundry.image_deployment
    deployment = default if order.model in (None, settings.foundry.image_model) else order.model
    _check_tool(tool, deployment, settings, is_masked=subject.mask is not None)
    suffix = "provider" if subject.mask else "edit"
    # No size: models round it, and what they draw is fitted to the original afterwards.
    output = ExpectedOutput(
        "picture", result_name(subject.asset, suffix=suffix, extension="png"), format="png"
    )
    inputs = _inputs([subject.given, *references], "picture")
    if subject.mask:
        inputs += _inputs([subject.mask], "mask")
    return StageCall(
        pipeline=PIPELINE,
        stage=STAGE,
        variant="",
        prompt=with_verb(order.instruction, "picture"),
        instructions=_PICTURE_RULES,
        model=settings.foundry.model,
        image_deployment=deployment,
        tools=(tool,),
        inputs=tuple(inputs),
        outputs=(output,),
        tool_choice="required",
    )


def _direct_call(
    order: EditOrder, subject: Subject, references: list[AssetRecord], model: ImageModel
) -> StageCall:
    """Return the edit by an image model that is called itself; it is fitted to the original afterwards.

    Raises:
        InvalidInput: the order says what such a model is not told.
    """
    for option, given in (("mask", subject.mask), ("quality", order.quality), ("size", order.size)):
        if given:
            raise InvalidInput(f"{option}: {model.name} is called itself and takes none (leave it out)")
    pictures = _inputs([subject.given, *references], "picture")
    if len(pictures) > model.inputs:
        most = f"starts from at most {model.inputs} pictures, not {len(pictures)}"
        raise InvalidInput(f"model: {model.name} {most}")
    tool = {"type": "image_model", "model": model.name, "output_format": "png"}
    if model.takes_size(edits=True):
        given_size = subject.given.width or 1, subject.given.height or 1
        tool["size"] = drawn_size(order, model, given_size)
    name = result_name(subject.asset, extension="png")
    return StageCall(
        pipeline=PIPELINE,
        stage=STAGE,
        variant="",
        prompt=with_verb(order.instruction, "picture"),
        instructions="",
        model=order.model or model.name,
        image_deployment=None,
        tools=(tool,),
        inputs=tuple(pictures),
        outputs=(ExpectedOutput("picture", name, format="png"),),
    )


def _file_call(
    order: EditOrder, subject: Subject, references: list[AssetRecord], settings: Settings
) -> StageCall:
    asset = subject.asset
    for option, value in (("mask", order.is_masked), ("size", order.size), ("quality", order.quality)):
        if value:
            raise InvalidInput(f"{asset.name!r} is no picture: {option} does not apply to it")
    name = result_name(asset)
    words = with_verb(order.instruction, f"file {asset.name}")
    return StageCall(
        pipeline=PIPELINE,
        stage=STAGE,
        variant="",
        prompt=f"{words}\nSave the result as {name}.",
        instructions=_FILE_RULES,
        model=order.model or settings.foundry.model,
        image_deployment=None,
        tools=({"type": "code_interpreter", "container": {"type": "auto"}},),
        inputs=tuple(_inputs([asset, *references], "container_file")),
        outputs=(ExpectedOutput(asset.kind, name, pattern=name),),
        tool_choice="required",
    )


def with_verb(instruction: str, what: str) -> str:
    """Return the instruction with the verb that says which tool is meant, when it is not there."""
    text = instruction.strip()
    return text if re.search(r"\bedit", text, re.IGNORECASE) else f"Edit the {what}: {text}"


def _inputs(assets: list[AssetRecord], role: Any) -> list[BoundInput]:
    names = distinct(safe_name(asset.name) for asset in assets)
    return [
        BoundInput(name, role, asset.blob, asset.asset_id) for name, asset in zip(names, assets, strict=True)
    ]


def _check_tool(tool: dict[str, Any], deployment: str | None, settings: Settings, *, is_masked: bool) -> None:
    models = load_image_models(settings.configs)
    foundry = settings.foundry
    told = told_ends(settings.home, foundry.endpoint)
    is_told = any(name in told and told[name].says_something for name in (tool["model"], deployment) if name)
    # As in a plan: the emulator serves what its project has, and what an endpoint told goes before tables.
    day = None if settings.uses_emulator or is_told else datetime.datetime.now(datetime.UTC).date()
    asked = {**tool, "input_image_mask": True} if is_masked else tool
    for option, message, hint in models.problems(asked, day, foundry.provider):
        raise InvalidInput(f"{option}: {message}" + (f" ({hint})" if hint else ""))


def nearest_shape(size: tuple[int, int], choices: tuple[str, ...]) -> str:
    """Return the size, as `WIDTHxHEIGHT`, whose shape is nearest to a picture's."""

    def stretch(choice: str) -> float:
        width, height = parse_size(choice) or (1, 1)
        ratio = (width * size[1]) / (height * size[0])
        return max(ratio, 1 / ratio)

    return min(choices, key=stretch)


def _scaled(size: tuple[int, int], model: ImageModel) -> str:
    """Return the nearest size that a model with free sizes draws."""
    rule = model.any_size
    if rule is None:
        return "auto"
    aspect = min(rule.ratio, max(1 / rule.ratio, size[0] / size[1]))
    pixels = min(max(size[0] * size[1], rule.min_pixels * 1.05), rule.max_pixels * 0.95)
    height = min((pixels / aspect) ** 0.5, rule.longest, rule.longest / aspect)
    width = height * aspect
    grid = [max(1, int(side // rule.step)) * rule.step for side in (width, height)]
    wide, high = grid
    while rule.fault(wide, high) and max(wide, high) < rule.longest:
        # Rounding down to the grid may leave the bounds: grow the shorter side, which eases both rules.
        wide, high = (wide + rule.step, high) if wide <= high else (wide, high + rule.step)
    return f"{wide}x{high}"
