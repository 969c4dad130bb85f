"""One produced file as the checks look at it: its bytes, what they are, and small copies of its frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from assetmill.looking import Look
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
    def look(self) -> Look:
        """The picture as a person sees it; only for one that decodes."""
        return Look(self.data)

    @cached_property
    def smalls(self) -> tuple[Image.Image, ...]:
        """Every frame as RGBA, at most 256 pixels wide and high."""
        return tuple(frame.picture for frame in self.look.frames(_SMALL_PX))

    def result(
        self, check: str, state: CheckState | bool, message: str = "", score: float | None = None
    ) -> CheckResult:
        """Return what a check said of this file; True and False are passed and failed."""
        word = state if isinstance(state, str) else "passed" if state else "failed"
        rounded = None if score is None else round(min(max(score, 0.0), 1.0), 4)
        return CheckResult(check=check, output=self.asset.name, state=word, message=message, score=rounded)
