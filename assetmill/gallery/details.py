"""What is told of a tile when it is on the screen: everything its records say, as plain data for the page."""

from __future__ import annotations

from typing import Any, NamedTuple

from assetmill.editing.orders import COMPOSITE, PIPELINE
from assetmill.errors import StoreError
from assetmill.gallery.tiles import Tile, hung
from assetmill.records import AssetRecord, StageRecord
from assetmill.redaction import redact_known
from assetmill.store.ledger import Ledger

_MOST_TEXT = 20_000
"""Characters of a prompt that a page is given."""


class TileFacts(NamedTuple):
    """What the page is told of a tile, and the first picture that it was made from."""

    facts: dict[str, Any]
    parent: Tile | None = None


class Details:
    """Reads what belongs to tiles. One record that cannot be read costs its own tile its facts, no more."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def of(self, tile: Tile) -> TileFacts:
        """Return what is known of a tile."""
        facts = _of_tile(tile)
        if tile.asset_id is None:
            return TileFacts(facts)
        try:
            record = self.record_of(tile)
            asset = _asset_in(record, tile) or self._ledger.read_asset(tile.asset_id)
            parent = self._parent_of(asset, record) if asset and tile.is_picture else None
        except StoreError as error:
            return TileFacts(facts | {"id": tile.asset_id, "problem": redact_known(str(error))})
        if asset is None:
            return TileFacts(facts | {"id": tile.asset_id, "problem": "its record is not in the store"})
        return TileFacts(facts | _of_asset(asset) | (_of_record(record, asset) if record else {}), parent)

    def record_of(self, tile: Tile) -> StageRecord | None:
        """Return the record of the stage whose output a tile is; of a choice among draws, the choice."""
        record = self._ledger.read_stage_of(tile.asset_id) if tile.asset_id else None
        if record is None or tile.fingerprint is None or tile.fingerprint == record.fingerprint:
            return record
        return self._ledger.read_stage(record.pipeline, tile.fingerprint) or record

    def _parent_of(self, asset: AssetRecord, record: StageRecord | None) -> Tile | None:
        # What a masked edit was made from first is what the service drew: its original comes second.
        is_put_back = record is not None and (record.pipeline, record.stage) == (PIPELINE, COMPOSITE)
        derived_from = asset.derived_from[1:] if is_put_back else asset.derived_from
        parents = (self._ledger.read_asset(asset_id) for asset_id in derived_from)
        tiles = (hung(parent) for parent in parents if parent and parent.role != "mask")
        return next((tile for tile in tiles if tile.is_picture), None)


def _of_tile(tile: Tile) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": tile.name,
        "stage": tile.label,
        "state": tile.state,
        "row": tile.row,
        "reason": tile.reason,
    }
    if tile.blob:
        told |= {
            "sha256": tile.sha256,
            "type": tile.blob.media_type,
            "bytes": tile.blob.size_bytes,
            "width": tile.width,
            "height": tile.height,
        }
    return told


def _asset_in(record: StageRecord | None, tile: Tile) -> AssetRecord | None:
    outputs = record.outputs if record else ()
    return next((asset for asset in outputs if asset.asset_id == tile.asset_id), None)


def _of_asset(asset: AssetRecord) -> dict[str, Any]:
    made_by = asset.made_by
    return {
        "id": asset.asset_id,
        "prompt": asset.prompt[:_MOST_TEXT],
        "revised": asset.revised_prompt[:_MOST_TEXT],
        "created": asset.created_at,
        "parents": list(asset.derived_from),
        "response": made_by.response_id if made_by else None,
        "model": " + ".join(filter(None, [made_by.model, made_by.image_model])) if made_by else None,
        "handles": [{"kind": one.kind, "id": one.id, "expires": one.expires_at} for one in asset.handles],
    }


def _of_record(record: StageRecord, asset: AssetRecord) -> dict[str, Any]:
    checks = [check for check in record.checks if check.output in {"", asset.name}]
    return {
        "pipeline": record.pipeline,
        "run": record.run_id,
        "cost": record.cost_usd,
        "between": record.cost_range_usd,
        "checks": [
            {"check": one.check, "state": one.state, "message": one.message, "score": one.score}
            for one in checks
        ],
    }
