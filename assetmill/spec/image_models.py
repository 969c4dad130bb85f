"""What each image model can do: every option of the image tool is checked here before anything is spent."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from assetmill.project import config_file
from assetmill.spec.lifetimes import Lifetime, ToldEnd, check_replacements, read_lifetime
from assetmill.spec.reading import nearest
from assetmill.spec.tables import PROVIDERS, DataTable, Source, TableRow, read_once

ROUTES = ("mai", "bfl")
"""Ways to call an image model itself: Microsoft's own, and Black Forest Labs' as Foundry passes it on."""
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


class SizeRule(NamedTuple):
    """Any size within bounds; `shortest` is the least of both sides."""

    step: int
    longest: int
    ratio: float
    min_pixels: int
    max_pixels: int
    shortest: int = 0

    def fault(self, width: int, height: int) -> str:
        """Say which rule a size breaks, "" when none."""
        pixels = width * height
        if width % self.step or height % self.step:
            return (
                f"both sides must be divisible by {self.step}; the nearest is {self.nearest(width, height)}"
            )
        if min(width, height) < self.shortest:
            return f"both sides are at least {self.shortest}"
        if max(width, height) > self.longest:
            return f"the long side is at most {self.longest}"
        if max(width, height) > self.ratio * min(width, height):
            return f"sides are at most 1:{self.ratio:g}"
        if not self.min_pixels <= pixels <= self.max_pixels:
            return f"{pixels} pixels; it draws {self.min_pixels} to {self.max_pixels}"
        return ""

    def nearest(self, width: int, height: int) -> str:
        """Return the next larger size on the grid."""
        return f"{-(-width // self.step) * self.step}x{-(-height // self.step) * self.step}"


class ImageModel(NamedTuple):
    """One row of the capability table.

    A model with a `route` is called itself; `path` is the part of the address that names it there, and
    `inputs` how many pictures it takes to start from.
    """

    name: str
    lifetime: Lifetime
    sources: tuple[Source, ...]
    qualities: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    transparent: bool = False
    input_fidelity: tuple[str, ...] = ()
    complexity: tuple[str, ...] = ()
    partial_images: int = 0
    mask: bool = False
    sizes: tuple[str, ...] = ()
    any_size: SizeRule | None = None
    providers: tuple[str, ...] = PROVIDERS
    is_tool: bool = True
    route: str = ""
    path: str = ""
    inputs: int = 0

    def takes_size(self, *, edits: bool) -> bool:
        """Whether a model that is called itself is told a size; one route's edits choose it themselves."""
        return not (edits and self.route == "mai")

    def retired_at(self, provider: str) -> datetime.date | None:
        """Return the day on which a provider stops serving it, None when none is known."""
        return self.lifetime.ends_at(provider)


class ImageModels(NamedTuple):
    """The capability table; aliases are rows of their own."""

    rows: Mapping[str, ImageModel]
    as_of: datetime.date

    def find(self, name: str) -> ImageModel | None:
        """Return a model's row."""
        return self.rows.get(name)

    def problems(
        self, tool: Mapping[str, Any], today: datetime.date | None, provider: str
    ) -> Iterator[tuple[str, str, str]]:
        """Yield (option, message, hint) for every option of a wire tool that its model does not take.

        A model that is retired `today` is a problem that names the day and a replacement; without a day
        nobody asks.
        """
        name = str(tool.get("model"))
        model = self.find(name)
        if model is None:
            yield "model", f"unknown image model {name!r}", nearest(name, self.rows)
            return
        gone = model.retired_at(provider)
        if today and gone and gone <= today:
            use = model.lifetime.replaced_by(provider)
            hint = f"use {use}" if use else ""
            yield "model", f"image model {name!r} was retired on {gone} ({provider})", hint
        if tool.get("type") == "image_model":
            yield from _direct_problems(model, tool)
        elif not model.is_tool:
            hint = "call it with the tool image_model" if model.route else _CHOOSE
            yield "model", f"{name} is no model of the image tool", hint
        else:
            yield from _option_problems(model, tool)

    def warning(
        self, name: str, today: datetime.date, provider: str, told: ToldEnd | None = None
    ) -> str | None:
        """Return a warning when a model is retired soon, or was; what the endpoint told goes first."""
        model = self.find(name)
        if model is None:
            return None
        if provider not in model.providers:
            return f"image model {name!r} was not found at {provider}: {', '.join(model.providers)} has it"
        if told:
            return told.warning("image model", name, today, model.lifetime.replaced_by(provider))
        return model.lifetime.warning("image model", name, today, provider)


_CHOOSE = "choose one that the tool can draw with"


def _direct_problems(model: ImageModel, tool: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what a model that is called itself does not take."""
    if not model.route:
        hint = "use the tool image_generation" if model.is_tool else ""
        yield "model", f"no way is known to call {model.name} itself", hint
        return
    chosen = str(tool.get("output_format", model.formats[0]))
    if chosen not in model.formats:
        yield "output_format", f"{model.name} writes {', '.join(model.formats)}, not {chosen}", ""
    if fault := size_fault(model, str(tool.get("size", "auto"))):
        yield "size", *fault


def direct_problems(
    model: ImageModel | None, tool: Mapping[str, Any], *, edits: bool, pictures: int
) -> Iterator[tuple[str, str, str]]:
    """Yield what does not go with the pictures that a model is given which is called itself."""
    if model is None or not model.route:
        return
    if pictures > model.inputs:
        yield "model", f"{model.name} starts from at most {model.inputs} pictures, not {pictures}", ""
    if "size" in tool and not model.takes_size(edits=edits):
        yield "size", f"{model.name} chooses the size of an edit itself", "leave size out"
    elif tool.get("size") == "auto":
        yield "size", f"{model.name} must be told a size", "write WIDTHxHEIGHT, as 1024x1024"


def _option_problems(model: ImageModel, tool: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    words = {
        "action": ("generate", "edit", "auto"),
        "quality": (*model.qualities, "auto"),
        "output_format": model.formats,
        "background": ("transparent", "opaque", "auto"),
        "moderation": ("auto", "low"),
        "complexity": model.complexity,
        "input_fidelity": model.input_fidelity,
    }
    for option, known in words.items():
        value = tool.get(option)
        if value is not None and value not in known:
            if not known:
                yield option, f"{model.name} does not take {option}", "leave it out"
            else:
                yield option, f"{model.name} has no {option} {value!r}", nearest(str(value), known)
    if fault := size_fault(model, str(tool.get("size", "auto"))):
        yield "size", *fault
    yield from _combination_problems(model, tool)


def _combination_problems(model: ImageModel, tool: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    output_format = tool.get("output_format", "png")
    if tool.get("background") == "transparent":
        if not model.transparent:
            yield "background", f"{model.name} draws no transparent background", ""
        elif output_format not in ("png", "webp"):
            yield "background", f"{output_format} has no transparency", "use output_format png or webp"
    if tool.get("output_compression") is not None and output_format == "png":
        yield "output_compression", "png is not compressed by degrees", "use jpeg or webp, or leave it out"
    if int(tool.get("partial_images") or 0) > model.partial_images:
        yield "partial_images", f"{model.name} sends at most {model.partial_images} partial images", ""
    if tool.get("input_image_mask") is not None and not model.mask:
        yield "mask", f"{model.name} takes no mask", ""


def size_fault(model: ImageModel, size: str) -> tuple[str, str] | None:
    """Return (message, hint) when the model does not draw that size."""
    if size == "auto" or size in model.sizes:
        return None
    parsed = parse_size(size)
    if parsed is None:
        return f"{size!r} is not a size", "write WIDTHxHEIGHT, as 1536x1024"
    if model.any_size is None:
        choice = _nearest_shape(parsed, model.sizes)
        hint = f"it has {', '.join(model.sizes)}; draw {choice} and let code_interpreter crop it to {size}"
        return f"{model.name} has no size {size}", hint
    fault = model.any_size.fault(*parsed)
    return (f"{model.name} does not draw {size}", fault) if fault else None


def _nearest_shape(size: tuple[int, int], choices: tuple[str, ...]) -> str:
    wanted = size[0] / size[1]

    def distance(choice: str) -> float:
        width, height = parse_size(choice) or (1, 1)
        return abs(width / height - wanted)

    return min(choices, key=distance)


def parse_size(text: str) -> tuple[int, int] | None:
    """Return (width, height) of `1536x1024`, None when it is no size."""
    match = _SIZE.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def load_image_models(configs: Path) -> ImageModels:
    """Read the capability table.

    Raises:
        InvalidSpec: missing, not TOML, or a row lacks something.
    """
    return _image_models(config_file(configs, "image_models.toml"))


@read_once
def _image_models(path: Path) -> ImageModels:
    table = DataTable(path)
    rows: dict[str, ImageModel] = {}
    lifetimes: dict[str, tuple[Lifetime, TableRow]] = {}
    for name, row in table.rows("model", "name"):
        model = _row(name, row)
        lifetimes[name] = model.lifetime, row
        for called in (name, *row.words("aliases")):
            rows[called] = model._replace(lifetime=model.lifetime.called(called))
        row.close()
    check_replacements(lifetimes)
    return ImageModels(rows, table.day("as_of"))


def _row(name: str, row: TableRow) -> ImageModel:
    model = ImageModel(
        name,
        read_lifetime(row),
        row.sources(),
        providers=row.words("providers", PROVIDERS) or PROVIDERS,
        is_tool=row.flag("is_tool", default=True),
    )
    if not model.is_tool:
        return _called_itself(model, row)
    return model._replace(
        qualities=row.words("qualities"),
        formats=row.words("formats"),
        transparent=row.flag("transparent"),
        input_fidelity=row.words("input_fidelity"),
        complexity=row.words("complexity"),
        partial_images=row.count("partial_images"),
        mask=row.flag("mask"),
        sizes=row.words("sizes"),
        any_size=_size_rule(row),
    )


def _called_itself(model: ImageModel, row: TableRow) -> ImageModel:
    """Return what a model does that is no model of the image tool; without a route, nothing."""
    route = row.get("route")
    if route is None:
        return model
    if route not in ROUTES:
        row.refuse("route", f"{model.name}: unknown route {route!r}", nearest(str(route), ROUTES))
    return model._replace(
        route=str(route),
        path=row.text("path", ""),
        inputs=row.count("inputs"),
        sizes=row.words("sizes"),
        formats=row.words("formats"),
        any_size=_size_rule(row),
    )


def _size_rule(row: TableRow) -> SizeRule | None:
    rule = row.mapping("any")
    if not rule:
        return None
    required = [name for name in SizeRule._fields if name not in SizeRule._field_defaults]
    if not set(required) <= set(rule) <= set(SizeRule._fields):
        row.refuse("any", f"any must give {', '.join(required)}")
    step, longest, ratio, least, most = (row.amount("any", rule[key]) for key in required)
    shortest = row.amount("any", rule.get("shortest", 0))
    return SizeRule(int(step), int(longest), ratio, int(least), int(most), int(shortest))
