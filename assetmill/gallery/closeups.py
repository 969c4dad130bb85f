"""What is told of a picture when somebody looks closer: its family, its candidates, where it differs.

Asked for one picture at a time, and only of those that hang on the wall: a family takes as many reads as it
has members, a comparison a second.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from threading import Lock
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from assetmill.batches.origins import Origins
from assetmill.errors import InvalidInput, NotFound
from assetmill.gallery.reviewing import as_facts
from assetmill.gallery.site import Site
from assetmill.gallery.tiles import Tile, hung
from assetmill.history.lineage import Family, trace
from assetmill.locking.comparing import compare_looks, open_picture
from assetmill.looking import Look
from assetmill.records import AssetId, AssetRecord, StageRecord
from assetmill.runs.instead import can_be_taken, take_instead
from assetmill.stage.services import Services
from assetmill.store.backend import Backend
from assetmill.store.blobs import Blobs
from assetmill.store.index import Index
from assetmill.store.ledger import Ledger

_MOST_MEMBERS = 60
"""More than that nobody looks through as a graph; `assetmill lineage` lists them all."""

_NO_REVIEWER = (
    "a reviewer can take one of them instead: `assetmill reviewers add NAME` makes one, and `assetmill open "
    "--as NAME` is their page"
)
_HEATS_KEPT = 8
_LONGEST_PX = 1440


class TakingOrder(BaseModel):
    """Which candidate is to be taken instead of a picture; `sha256` is of the bytes that were seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: AssetId
    asset_id: AssetId
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Closeups:
    """Looks closer at the pictures of one site. Safe for threads."""

    def __init__(self, site: Site, backend: Backend, services: Services | None = None) -> None:
        """Look closer at a site; with services of its store, its reviewer takes candidates too."""
        self._site, self._ledger, self._blobs = site, Ledger(backend), Blobs(backend)
        self._services = services
        self._backend = backend
        self._heats: OrderedDict[tuple[AssetId, AssetId], bytes] = OrderedDict()
        self._lock = Lock()

    def about(self, asset_id: AssetId) -> dict[str, Any]:
        """Return the family and the candidates of a picture.

        Raises:
            NotFound: it hangs nowhere here, or its record is lost.
        """
        asset = self._asset(asset_id)
        # Made anew: what came since the last look is among its children.
        family = trace(asset, self._ledger, Index(self._backend, self._ledger), ("up", "down"))
        candidates, why_not = self._candidates(asset)
        return {"family": self._family(family), "candidates": candidates, "why_not": why_not}

    def take(self, order: TakingOrder) -> dict[str, Any]:
        """Take a candidate instead of a picture, and return what is told of the picture's reviews then.

        Raises:
            NotFound: it hangs nowhere here, or nobody here may take it.
            InvalidInput: it cannot be taken; says why.
        """
        reviewing, reviewer = self._site.reviewing, self._site.reviewing and self._site.reviewing.reviewer
        if self._services is None or reviewing is None or not reviewer:
            raise NotFound("reviewer", order.asset_id, "load the page again")
        asset = self._asset(order.of)
        choice = self._choice(asset)
        if choice is None or all(one.asset_id != order.asset_id for one in _passed_over(choice)):
            raise NotFound("candidate of this picture", order.asset_id, "load the page again")
        plan_anew = Origins(self._services, choice.fingerprint).plan
        take_instead(
            order.asset_id, plan_anew, self._services, reviewing.desk, lambda: reviewer, seen=order.sha256
        )
        return as_facts(reviewing.desk.standing(asset.blob.digest.removeprefix("sha256:")))

    def compared(self, asset_id: AssetId, other_id: AssetId) -> dict[str, Any]:
        """Return how a picture differs from another one.

        Raises:
            NotFound: one of them hangs nowhere here and is of no family or stage of one that does.
            InvalidInput: one of them is no picture that can be compared.
        """
        after, before = self._asset(asset_id), self._asset(other_id)
        looks = [self._look(before), self._look(after)]
        found = compare_looks(*looks)
        data = io.BytesIO()
        heat = found.heat_map.convert("RGB")
        heat.thumbnail((_LONGEST_PX, _LONGEST_PX))
        heat.save(data, "WEBP", quality=82)
        with self._lock:
            self._heats[asset_id, other_id] = data.getvalue()
            while len(self._heats) > _HEATS_KEPT:
                self._heats.popitem(last=False)
        return {
            "ssim": found.ssim,
            "changed": found.changed,
            "largest": found.largest,
            "notes": list(found.notes),
            "heat": f"heats/{asset_id}/{other_id}",
        }

    def heat(self, asset_id: AssetId, other_id: AssetId) -> bytes | None:
        """Return the heat map of two pictures that were compared, as WebP; None when they were not."""
        with self._lock:
            return self._heats.get((asset_id, other_id))

    def _asset(self, asset_id: AssetId) -> AssetRecord:
        if not self._site.hangs(asset_id):
            raise NotFound("picture on this wall", asset_id)
        try:
            asset = self._ledger.read_asset(asset_id)
        except ValueError:
            asset = None
        if asset is None:
            raise NotFound("picture", asset_id, "its record is not in the store")
        return asset

    def _look(self, asset: AssetRecord) -> Look:
        look = open_picture(self._blobs.get(asset.blob))
        if look is None:
            raise InvalidInput(f"{asset.name} cannot be compared: it is no whole picture")
        return look

    def _candidates(self, asset: AssetRecord) -> tuple[list[dict[str, Any]], str]:
        """Return what is told of the candidates that were not taken, and why they cannot be by now."""
        choice = self._choice(asset)
        others = _passed_over(choice) if choice else []
        takeable, why_not = self._takeable(choice) if choice and others else (frozenset[AssetId](), "")
        told = [
            self._told(hung(one)) | {"reason": one.rejected, "can_take": one.asset_id in takeable}
            for one in others
        ]
        return told, why_not

    def _takeable(self, choice: StageRecord) -> tuple[frozenset[AssetId], str]:
        reviewing, reviewer = self._site.reviewing, self._site.reviewing and self._site.reviewing.reviewer
        if self._services is None:
            return frozenset(), ""
        if reviewing is None or not reviewer:
            return frozenset(), _NO_REVIEWER
        plan_anew = Origins(self._services, choice.fingerprint).plan
        return can_be_taken(choice, plan_anew, self._services, reviewing.desk, reviewer)

    def _choice(self, asset: AssetRecord) -> StageRecord | None:
        """Return the record of the stage whose output an asset is, as it hangs here."""
        place = self._site.hanging.place_of(hung(asset))
        tile = hung(asset) if place is None else self._site.hanging.tiles[place]
        return self._site.details.record_of(tile)

    def _family(self, family: Family) -> dict[str, Any]:
        members = [one for one in family.members.values() if one.asset][:_MOST_MEMBERS]
        shown = {one.asset_id for one in members}
        edges = [edge for edge in family.edges() if shown.issuperset(edge)]
        return {
            "root": family.root,
            "members": [self._told(hung(one.asset)) for one in members if one.asset],
            "edges": [list(edge) for edge in edges],
            "is_cut": family.is_cut or len(members) < len(family.members),
        }

    def _told(self, tile: Tile) -> dict[str, Any]:
        places = self._site.offered(tile)
        told = {"id": tile.asset_id, "name": tile.name, "stage": tile.label, "state": tile.state}
        return told | places | {"sha256": tile.sha256, "at": self._site.hanging.place_of(tile)}


def _passed_over(record: StageRecord) -> list[AssetRecord]:
    return [one for one in record.outputs if one.role == "candidate"]
