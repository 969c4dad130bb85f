"""Checks of what a file is: it decodes, its size, aspect, format, alpha channel and number of bytes."""

from __future__ import annotations

from collections.abc import Iterator

from assetmill.checks.specimen import Specimen
from assetmill.pictures import PictureFacts
from assetmill.records import CheckResult
from assetmill.spec.image_models import parse_size
from assetmill.spec.output_checks import ChecksSpec, parse_ratio

_ASPECT_TOLERANCE = 0.01
"""Sides are whole pixels: 1200x628 is meant as 1.91:1."""


def check_shape(checks: ChecksSpec, specimen: Specimen, facts: PictureFacts) -> Iterator[CheckResult]:
    """Yield what is asked of a picture's outer form; sizes are those that are seen, upright."""
    size = specimen.look.form.size
    found = f"{size[0]}x{size[1]}"
    if checks.decodes:
        yield specimen.result("decodes", state=True)
    if checks.size:
        wanted = parse_size(checks.size)
        yield specimen.result("size", wanted == size, _is(found, checks.size))
    if checks.aspect:
        ratio = parse_ratio(checks.aspect) or 0.0
        is_close = abs(size[0] / size[1] / ratio - 1) <= _ASPECT_TOLERANCE if ratio else False
        yield specimen.result("aspect", is_close, _is(found, checks.aspect))
    if checks.format:
        is_right = facts.format.lower() == checks.format
        yield specimen.result("format", is_right, _is(facts.format, checks.format.upper()))
    if checks.alpha is not None:
        has = "has an alpha channel" if facts.has_alpha else "has no alpha channel"
        yield specimen.result("alpha", facts.has_alpha == checks.alpha, has)


def check_bytes(checks: ChecksSpec, specimen: Specimen) -> Iterator[CheckResult]:
    """Yield whether the file is small enough."""
    if checks.max_bytes is not None:
        size = len(specimen.data)
        message = f"{size} bytes of at most {int(checks.max_bytes)}"
        yield specimen.result("max_bytes", size <= checks.max_bytes, message)


def _is(found: str, wanted: str) -> str:
    return f"it is {found}, asked is {wanted}"
