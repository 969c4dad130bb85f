"""What a stage must produce, in exact terms, and whether its tool can produce it at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from assetmill.plan.calls import DRAWING, Acceptance, ExpectedOutput
from assetmill.plan.slots import Pen, is_open
from assetmill.spec.checks import SAFE_NAME
from assetmill.spec.contradictions import Asked, Makers, contradictions
from assetmill.spec.image_models import parse_size
from assetmill.spec.pipeline import OutputSpec
from assetmill.spec.reading import Where

if TYPE_CHECKING:
    from assetmill.spec.output_checks import ChecksSpec

_PICTURE_FORMATS = ("png", "jpeg", "webp")


def expected_outputs(pen: Pen, tools: tuple[Mapping[str, Any], ...]) -> Iterator[ExpectedOutput]:
    """Yield what a stage must produce; a stage that only draws and names no output makes one picture."""
    stage = pen.slot.spec
    image = next((tool for tool in tools if tool["type"] in DRAWING), None)
    runs_code = stage.tool("code_interpreter") is not None
    only_image = None if runs_code else image
    specs = stage.outputs
    if not specs and only_image:
        specs = (OutputSpec(name=f"{stage.name}.{only_image['output_format']}"),)
    for number, spec in enumerate(specs):
        expected = _expected(spec, ("outputs", number), only_image, pen)
        if spec.pattern is None and runs_code and not (image and spec.kind == "picture"):
            expected = replace(expected, pattern=_pattern(expected))
        if only_image:
            _check_against_tool(expected, only_image, ("outputs", number), pen)
        _check_written(spec, expected, Makers(image, runs_code), ("outputs", number), pen)
        yield expected


def acceptance(pen: Pen) -> Acceptance | None:
    """Return on which terms a stage's result is accepted, None when whatever it makes is."""
    stage = pen.slot.spec
    checks = tuple(
        _written(output.checks, ("outputs", number, "checks"), pen) if output.checks else None
        for number, output in enumerate(stage.outputs)
    )
    if not any(checks) and not stage.reroll and stage.best_of == 1:
        return None
    return Acceptance(checks, stage.best_of, stage.reroll)


def _written(checks: ChecksSpec, where: Where, pen: Pen) -> ChecksSpec:
    try:
        return checks.written(where, pen.write)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        pen.problem((*where, *first["loc"]), str(first["msg"]).removeprefix("Value error, "))
        return checks


def picture_format(pen: Pen) -> str:
    """Return the format in which the image tool must write: what the first picture is called, else png."""
    for number, output in enumerate(pen.slot.spec.outputs):
        if output.kind == "picture":
            name = pen.write(("outputs", number, "name"), output.name)
            word = _format(output, name)
            return word if word in _PICTURE_FORMATS else "png"
    return "png"


def _format(output: OutputSpec, name: str) -> str:
    word = (output.format or PurePath(name).suffix.lstrip(".")).lower()
    return "jpeg" if word == "jpg" else word


def _expected(output: OutputSpec, where: Where, image: Mapping[str, Any] | None, pen: Pen) -> ExpectedOutput:
    name = pen.write((*where, "name"), output.name)
    if not pen.is_draft and not SAFE_NAME.fullmatch(name):
        hint = "letters, digits, `.`, `_`, `-`"
        pen.problem((*where, "name"), f"{name[:120]!r} is not a safe file name", hint)
    size = pen.write((*where, "size"), output.size or str((image or {}).get("size", "")))
    wide = parse_size(size)
    if output.size and not wide and not is_open(size):
        pen.problem((*where, "size"), f"{size!r} is not a size", "write WIDTHxHEIGHT, as 1200x630")
    is_clear = image is not None and image.get("background") == "transparent"
    return ExpectedOutput(
        kind=output.kind,
        name=name,
        count=output.count,
        pattern=pen.write((*where, "pattern"), output.pattern or "*"),
        format=_format(output, name) or None,
        width=wide[0] if wide else None,
        height=wide[1] if wide else None,
        has_alpha=True if output.alpha is None and is_clear else output.alpha,
    )


def _pattern(output: ExpectedOutput) -> str:
    """Code is asked for files by name, so the name finds them."""
    if output.count == 1:
        return output.name
    path = PurePath(output.name)
    return f"{path.stem}*{path.suffix}"


def _check_written(
    spec: OutputSpec, expected: ExpectedOutput, makers: Makers, where: Where, pen: Pen
) -> None:
    """Note contradictions that only the written templates show; the others were found when it was loaded."""
    texts = (spec.name, spec.pattern, spec.format, spec.size)
    if not any(text and "{" in text for text in texts):
        return
    asked = Asked(
        kind=spec.kind,
        name=expected.name,
        count=spec.count,
        pattern=expected.pattern if spec.pattern else "",
        format=pen.write((*where, "format"), spec.format or ""),
        size=pen.write((*where, "size"), spec.size or ""),
        alpha=spec.alpha,
    )
    for key, message, hint in contradictions(asked, makers):
        pen.problem((*where, key), message, hint)


def _check_against_tool(output: ExpectedOutput, tool: Mapping[str, Any], where: Where, pen: Pen) -> None:
    size = f"{output.width}x{output.height}"
    if output.width and tool["size"] not in (size, "auto") and not is_open(str(tool["size"])):
        hint = "let a code_interpreter stage crop or resize it"
        pen.problem((*where, "size"), f"the tool draws {tool['size']}, not {size}", hint)
    if output.format in _PICTURE_FORMATS and output.format != tool["output_format"]:
        pen.problem((*where, "format"), f"the tool writes {tool['output_format']}, not {output.format}")
