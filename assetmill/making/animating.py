"""Pictures one after the other: APNG, WebP and GIF, each shown exactly as long as is asked for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from assetmill.errors import CannotMake
from assetmill.spec.gathering import AnimationSpec

if TYPE_CHECKING:
    from PIL import Image


def animation_of(
    frames: Sequence[Image.Image], spec: AnimationSpec, suffix: str, quality: int | None
) -> bytes:
    """Return an animation's bytes.

    Raises:
        CannotMake: frames of several sizes, as many times as frames are not there, or a GIF cannot tell them.
    """
    sizes = {frame.size for frame in frames}
    if len(sizes) > 1:
        told = ", ".join(sorted(f"{width}x{height}" for width, height in sizes))
        raise CannotMake(f"the frames have several sizes ({told}): resize them with fit: pad")
    times = list(spec.milliseconds) * (len(frames) if len(spec.milliseconds) == 1 else 1)
    if len(times) != len(frames):
        raise CannotMake(f"there are {len(times)} times for {len(frames)} frames: give one, or one for each")
    out = io.BytesIO()
    first, *rest = (frame.convert("RGBA") for frame in frames)
    if suffix == "gif":
        _check_gif(times)
        first.save(out, "GIF", save_all=True, append_images=rest, duration=times, loop=spec.loops, disposal=2)
    elif suffix == "webp":
        first.save(
            out,
            "WEBP",
            save_all=True,
            append_images=rest,
            duration=times,
            loop=spec.loops,
            quality=quality or 85,
        )
    else:
        first.save(
            out,
            "PNG",
            save_all=True,
            append_images=rest,
            duration=times,
            loop=spec.loops,
            disposal=1,
            blend=0,
        )
    return out.getvalue()


def _check_gif(times: Sequence[int]) -> None:
    if odd := [time for time in times if time % 10 or time < 20]:
        raise CannotMake(
            f"a GIF counts in hundredths of a second, and viewers slow down what is under 20 ms: {odd[0]} ms "
            "cannot be; round it, or save .webp or .png"
        )
