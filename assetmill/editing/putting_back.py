"""After the service has drawn: the composite with its proof, or a report of what changed.

The provider's own bytes stay as they came, beside what is made of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from assetmill.editing.orders import PIPELINE, EditOrder, Subject, is_picture, replica_of, result_name
from assetmill.editing.retouch.canvas import as_seen, open_picture
from assetmill.editing.retouch.changes import compare
from assetmill.editing.retouch.composite import composite
from assetmill.editing.retouch.masks import read_wire_mask
from assetmill.errors import OutputUnusable
from assetmill.plan.calls import StageCall
from assetmill.records import AssetRecord, RunId, StageRecord
from assetmill.stage.derived import Facts, LocalFile, LocalStage, run_local
from assetmill.stage.services import Services


def put_back(
    order: EditOrder,
    subject: Subject,
    call: StageCall,
    record: StageRecord,
    *,
    services: Services,
    run_id: RunId,
) -> list[StageRecord]:
    """Return the records of what is made here from an edit's result.

    Raises:
        OutputUnusable: something outside the mask differs, which must not happen and is not stored.
    """
    edited = next(asset for asset in record.outputs if asset.role == "output")
    if not is_picture(subject.asset):
        return []
    work = _PuttingBack(order, subject, call, edited, services, run_id)
    return [work.composite(subject.own_mask) if subject.own_mask else work.report()]


@dataclass(frozen=True)
class _PuttingBack:
    order: EditOrder
    subject: Subject
    call: StageCall
    edited: AssetRecord
    services: Services
    run_id: RunId

    @property
    def original(self) -> AssetRecord:
        return self.subject.asset

    def composite(self, mask: AssetRecord) -> StageRecord:
        """Put the original back outside the mask."""

        def make() -> tuple[list[LocalFile], Facts]:
            blobs = self.services.blobs
            made = composite(
                open_picture(blobs.get(self.original.blob), self.original.name),
                as_seen(blobs.get(self.edited.blob), self.edited.name),
                read_wire_mask(blobs.get(mask.blob)),
                feather_px=self.order.feather_px,
                window=self.subject.window,
            )
            if made.largest_difference_outside:
                reason = f"outside the mask a pixel differs by {made.largest_difference_outside}"
                raise OutputUnusable("composite", reason)
            name = result_name(self.original, replica_of(self.call), extension="png")
            size = self.subject.size or (0, 0)
            return [LocalFile.picture(name, made.data, size, "output")], {
                "largest_difference_outside": made.largest_difference_outside,
                "largest_difference_inside": made.largest_difference_inside,
                "feather_px": made.feather_px,
            }

        deciding = {
            "feather_px": self.order.feather_px,
            "window": list(self.subject.window),
            **self._colours(),
        }
        return run_local(self._local("composite", deciding, mask), self.services, self.run_id, make)

    def report(self) -> StageRecord:
        """Say what changed, since nothing said what might."""

        def make() -> tuple[list[LocalFile], Facts]:
            blobs = self.services.blobs
            changes = compare(
                as_seen(blobs.get(self.original.blob), self.original.name),
                as_seen(blobs.get(self.edited.blob), self.edited.name),
            )
            name = result_name(self.original, replica_of(self.call), "changes", "png")
            heat = LocalFile.picture(name, changes.heat_map, (changes.width, changes.height), "report")
            return [heat], {
                "changed_percent": changes.changed_percent,
                "largest_difference": changes.largest_difference,
                "mean_difference": changes.mean_difference,
                "box": list(changes.box) if changes.box else None,
            }

        return run_local(self._local("changes", self._colours()), self.services, self.run_id, make)

    def _colours(self) -> Facts:
        """Return what decides the colours, where they are others than sRGB."""
        return {"profile": self.subject.profile} if self.subject.profile else {}

    def _local(self, stage: str, deciding: Facts, *further: AssetRecord) -> LocalStage:
        parents = (self.edited, self.original, *further)
        return LocalStage(
            PIPELINE,
            stage,
            self.call.variant,
            {"operation": stage, "version": 1, **deciding},
            tuple(asset.asset_id for asset in parents),
            self.call.prompt if stage == "composite" else "",
        )
