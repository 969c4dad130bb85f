"""All checks of one file that can be made here, in the order of what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from assetmill.checks.lettering import check_text
from assetmill.checks.looks import check_not_blank, difference_hash
from assetmill.checks.palette import check_palette
from assetmill.checks.shape import check_bytes, check_shape
from assetmill.checks.specimen import Specimen
from assetmill.records import AssetRecord, CheckResult
from assetmill.spec.output_checks import ChecksSpec

Claim = Callable[[Specimen, int], tuple[AssetRecord, int] | None]
"""Takes a picture with its hash into the run; what is there already and looks like it is returned."""


def examine_file(checks: ChecksSpec, specimen: Specimen, claim: Claim) -> Iterator[CheckResult]:
    """Yield what every check but the judge says of one file."""
    yield from check_bytes(checks, specimen)
    if not checks.needs_picture:
        return
    facts = specimen.examined
    if isinstance(facts, str):
        yield specimen.result("decodes", state=False, message=facts)
        return
    yield from check_shape(checks, specimen, facts)
    if checks.not_blank:
        yield check_not_blank(specimen)
    if checks.not_duplicate:
        yield _not_duplicate(specimen, claim)
    if checks.palette:
        yield check_palette(specimen, checks.palette)
    if checks.text:
        yield check_text(specimen, checks.text)


def _not_duplicate(specimen: Specimen, claim: Claim) -> CheckResult:
    found = claim(specimen, difference_hash(specimen))
    if found is None:
        return specimen.result("not_duplicate", state=True)
    other, bits = found
    message = f"it looks like {other.name} of stage {other.stage!r}: {bits} of 256 bits differ"
    return specimen.result("not_duplicate", state=False, message=message)
