"""One produced file as the checks look at it: its bytes, what they are, and a small copy of its pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from assetmill.pictures import PictureDamaged, PictureFacts, examine
from assetmill.records import AssetRecord, CheckResult, CheckState

if TYPE_CHECKING:
    from PIL import Image

_SMALL_PX = 256


@dataclass(frozen=True)
class Specimen:
    """An asset with its bytes. The picture is decoded when a check first needs it."""

    asset: AssetRecord
    data: bytes

    @cached_property
    def examined(self) -> PictureFacts | str:
        """What the picture is, or in words why it is none."""
        try:
            return examine(self.data)
        except PictureDamaged as error:
            return str(error)

    @cached_property
    def small(self) -> Image.Image:
        """The whole picture as RGBA, at most 256 pixels wide and high; only for one that decodes."""
        from PIL import Image

        with Image.open(io.BytesIO(self.data)) as picture:
            picture.draft("RGB", (2 * _SMALL_PX, 2 * _SMALL_PX))
            # Reduced before its mode is changed: another full-size copy would double the memory.
            if max(picture.size) > 4 * _SMALL_PX and picture.mode in {"RGB", "RGBA", "L"}:
                small: Image.Image = picture.reduce(max(picture.size) // (2 * _SMALL_PX))
            else:
                small = picture.convert("RGBA")
        small = small.convert("RGBA")
        small.thumbnail((_SMALL_PX, _SMALL_PX), Image.Resampling.BOX)
        return small

    def result(
        self, check: str, state: CheckState | bool, message: str = "", score: float | None = None
    ) -> CheckResult:
        """Return what a check said of this file; True and False are passed and failed."""
        word = state if isinstance(state, str) else "passed" if state else "failed"
        rounded = None if score is None else round(min(max(score, 0.0), 1.0), 4)
        return CheckResult(check=check, output=self.asset.name, state=word, message=message, score=rounded)
