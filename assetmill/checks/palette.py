"""Whether a picture keeps to given colours, measured as people see them: CIEDE2000."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from assetmill.checks.specimen import Specimen
from assetmill.records import CheckResult
from assetmill.spec.output_checks import PaletteCheck

if TYPE_CHECKING:
    from PIL import Image

_CLUSTERS = 48
"""Colours that a picture is reduced to before they are compared one by one."""

_OPAQUE = 128


def check_palette(specimen: Specimen, wanted: PaletteCheck) -> CheckResult:
    """Say how much of what is opaque lies near one of the wanted colours."""
    # Imported here: it takes a tenth of a second, and most stages ask for no palette.
    from coloraide import Color

    clusters = _clusters(specimen)
    total = sum(count for count, _ in clusters)
    if not total:
        return specimen.result("palette", state=False, message="it is transparent all over", score=0.0)
    targets = [Color(colour) for colour in wanted.colours]
    near = 0
    furthest: tuple[int, str] = (0, "")
    for count, rgb in clusters:
        colour = Color("srgb", [channel / 255 for channel in rgb])
        if min(colour.delta_e(target, method="2000") for target in targets) <= wanted.distance:
            near += count
        else:
            furthest = max(furthest, (count, "#{:02x}{:02x}{:02x}".format(*rgb)))
    share = near / total
    message = f"{share:.0%} of it is near the colours, asked is {wanted.share:.0%}"
    if furthest[0]:
        message += f"; most of the rest is like {furthest[1]}"
    return specimen.result("palette", share >= wanted.share, message, share)


def _clusters(specimen: Specimen) -> list[tuple[int, tuple[int, int, int]]]:
    """Return the main colours of all frames with the number of opaque pixels of each."""
    return [cluster for frame in specimen.smalls for cluster in _of_frame(frame)]


def _of_frame(frame: Image.Image) -> Iterator[tuple[int, tuple[int, int, int]]]:
    import numpy as np

    opaque = np.asarray(frame.getchannel("A")) >= _OPAQUE
    reduced = frame.convert("RGB").quantize(_CLUSTERS)
    counts = np.bincount(np.asarray(reduced)[opaque], minlength=256)
    palette = reduced.getpalette("RGB") or []
    for n in range(len(palette) // 3):
        if counts[n]:
            yield int(counts[n]), (palette[3 * n], palette[3 * n + 1], palette[3 * n + 2])
