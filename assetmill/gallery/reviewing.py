"""What the page shows of reviews, and how a word that is typed there is signed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from assetmill.errors import NotFound
from assetmill.gallery.tiles import Tile
from assetmill.records import AssetId
from assetmill.reviews.desk import Desk
from assetmill.reviews.review import LONGEST_REASON, ReviewKind, Share
from assetmill.reviews.standing import Standing, standing_of
from assetmill.store.ledger import Ledger


class ReviewOrder(BaseModel):
    """A word as the page sends it; `sha256` is of the bytes that were on the screen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ReviewKind
    asset_id: AssetId
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    reason: Annotated[str, Field(max_length=LONGEST_REASON)] = ""
    point: tuple[Share, Share] | None = None


class Reviewing:
    """Reviews of the tiles of a wall. `reviewer` is who looks, None for one who may only look."""

    def __init__(self, desk: Desk, ledger: Ledger, reviewer: str | None = None) -> None:
        self.desk, self._ledger, self.reviewer = desk, ledger, reviewer

    def stands(self, tiles: Iterable[Tile]) -> list[str]:
        """Return where each tile stands: `approved`, `rejected`, `open`, or "" for what is missing."""
        return [standing.stand() if standing else "" for standing in self._standings(tiles)]

    def facts(self, tiles: Iterable[Tile]) -> list[dict[str, Any]]:
        """Return what is told of each tile's reviews."""
        return [as_facts(standing) if standing else {} for standing in self._standings(tiles)]

    def _standings(self, tiles: Iterable[Tile]) -> Iterator[Standing | None]:
        """Yield where tiles stand, None for what is missing: one listing, and a reading of each picture."""
        find = self.desk.told()
        known: dict[str, Standing | None] = {"": None}
        for tile in tiles:
            if tile.sha256 not in known:
                known[tile.sha256] = standing_of(tile.sha256, find(tile.sha256), self.desk.reviewers)
            yield known[tile.sha256]

    def say(self, order: ReviewOrder) -> dict[str, Any]:
        """Sign a word and return what is now told of the tile's reviews.

        Raises:
            BytesChanged: the asset has other bytes than were on the screen, or the store has lost them.
            InvalidInput: it says too little or too much, or nobody here may review.
        """
        asset = self._ledger.read_asset(order.asset_id)
        if asset is None or self.reviewer is None:
            raise NotFound("asset" if asset is None else "reviewer", order.asset_id, "load the page again")
        if order.kind in {"rejected", "commented"}:
            # What is approved the desk looks at itself; what was said before can always be taken back.
            self.desk.check_held(asset)
        record = self._ledger.read_stage_of(order.asset_id)
        standing = self.desk.say(
            order.kind,
            asset,
            self.reviewer,
            seen=order.sha256,
            fingerprint=record.fingerprint if record else "",
            reason=order.reason,
            point=order.point,
        )
        return as_facts(standing)


def as_facts(standing: Standing) -> dict[str, Any]:
    """Return where a picture stands as plain data for the page."""
    said = [
        {
            "kind": one.kind,
            "by": one.reviewer,
            "reason": one.reason,
            "at": one.created_at,
            "point": list(one.point) if one.point else None,
        }
        for one in standing.reviews
    ]
    return {"stand": standing.stand(), "reviews": said, "forged": list(standing.forged)}
