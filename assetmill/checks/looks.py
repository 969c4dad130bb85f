"""Checks of what a picture shows at a glance: that it shows anything, and nothing that is there already."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assetmill.checks.specimen import Specimen
from assetmill.looking import LIGHT, grounds, over, telling_ground
from assetmill.records import AssetId, AssetRecord, CheckResult, RunId
from assetmill.spec.output_checks import DuplicateCheck

if TYPE_CHECKING:
    from PIL import Image

_BLANK_BELOW = 2.0
"""Standard deviation of a channel, of 255: the noise of a compressed flat picture is below."""

_SIDE = 16
_RUNS = 64
"""How many runs of one long-lived process are remembered."""

HashOf = Callable[[AssetRecord], int | None]


def check_not_blank(specimen: Specimen) -> CheckResult:
    """Say whether a picture shows more than one colour, in a frame or from one to the next."""
    faults = [_blank(frame) for frame in specimen.smalls]
    if all(faults) and not _changes(specimen.smalls):
        return specimen.result("not_blank", state=False, message=faults[0])
    return specimen.result("not_blank", state=True)


def _blank(frame: Image.Image) -> str:
    from PIL import ImageStat

    if frame.getchannel("A").getextrema()[1] == 0:
        return "it is transparent all over"
    # On both grounds, so that a shape that only its alpha channel draws counts as something on one of them.
    spread = max(max(ImageStat.Stat(seen).stddev) for seen in grounds(frame))
    return "it is one colour all over" if spread < _BLANK_BELOW else ""


def _changes(frames: tuple[Image.Image, ...]) -> bool:
    from PIL import ImageStat

    means = [ImageStat.Stat(over(frame, LIGHT)).mean for frame in frames]
    return any(max(channel) - min(channel) > _BLANK_BELOW for channel in zip(*means, strict=True))


def difference_hash(specimen: Specimen) -> int:
    """Return 256 bits, each saying whether the picture gets brighter from one field to the next.

    Fields form 16 rows of 17. Pictures that look alike differ in few bits whatever their size. An animation
    is looked at as four of its frames side by side.
    """
    import numpy as np
    from PIL import Image

    grey = _contact_sheet([over(frame, telling_ground(frame)).convert("L") for frame in specimen.smalls])
    fields = np.asarray(grey.resize((_SIDE + 1, _SIDE), Image.Resampling.BOX), dtype=np.int16)
    # A step of one is rounding, not brightness.
    bits = (fields[:, 1:] - fields[:, :-1]) > 1
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _contact_sheet(frames: list[Image.Image]) -> Image.Image:
    from PIL import Image

    if len(frames) == 1:
        return frames[0]
    wide, high = frames[0].size
    sheet = Image.new("L", (2 * wide, 2 * high))
    for place in range(4):
        frame = frames[place * (len(frames) - 1) // 3]
        sheet.paste(frame, (place % 2 * wide, place // 2 * high))
    return sheet


@dataclass
class _Shown:
    asset: AssetRecord
    owner: str
    hash: int | None = None


class Neighbours:
    """The pictures of runs under way in this process, so that each can be held against the others."""

    def __init__(self) -> None:
        self._runs: OrderedDict[RunId, dict[AssetId, _Shown]] = OrderedDict()
        # Two stages that end together must not both miss the other's picture.
        self._lock = threading.Lock()

    def note(self, run_id: RunId, outputs: tuple[AssetRecord, ...], owner: str) -> None:
        """Add a stage's finished pictures; again is free."""
        with self._lock:
            shown = self._of(run_id)
            for asset in outputs:
                if asset.role == "output" and asset.width:
                    shown.setdefault(asset.asset_id, _Shown(asset, owner))

    def claim(
        self,
        run_id: RunId,
        owner: str,
        asset: AssetRecord,
        *,
        own_hash: int,
        check: DuplicateCheck,
        hash_of: HashOf,
    ) -> tuple[AssetRecord, int] | None:
        """Add a picture unless one like it is there: then return that one, and in how many bits they differ.

        `owner` is the stage's fingerprint and the number of the draw, with a `/` between: other draws of the
        same stage do not count, because at most one of them will stay.
        """
        stage = owner.partition("/")[0]
        with self._lock:
            shown = self._of(run_id)
            for other in shown.values():
                is_same = other.owner == owner and other.asset.asset_id != asset.asset_id
                is_other = check.among == "run" and other.owner.partition("/")[0] != stage
                if not (is_same or is_other):
                    continue
                if other.hash is None:
                    other.hash = hash_of(other.asset)
                if other.hash is not None and (bits := (own_hash ^ other.hash).bit_count()) <= check.distance:
                    return other.asset, bits
            shown[asset.asset_id] = _Shown(asset, owner, own_hash)
            return None

    def release(self, run_id: RunId, owner: str) -> None:
        """Forget the pictures of a draw that was not accepted."""
        with self._lock:
            shown = self._of(run_id)
            for asset_id in [key for key, one in shown.items() if one.owner == owner]:
                del shown[asset_id]

    def _of(self, run_id: RunId) -> dict[AssetId, _Shown]:
        shown = self._runs.setdefault(run_id, {})
        self._runs.move_to_end(run_id)
        while len(self._runs) > _RUNS:
            self._runs.popitem(last=False)
        return shown
