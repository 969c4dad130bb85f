"""What hangs on a wall: a tile for every asset of a run, a batch or a pipeline, and for what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchManifest
from assetmill.errors import NotFound
from assetmill.records import AssetId, AssetRecord, BlobRef, RunId, RunManifest, StageRecord
from assetmill.store.backend import Backend
from assetmill.store.kept import KeptAsset
from assetmill.store.ledger import Ledger

PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""What a browser is given to show. SVG is not among them: it can hold scripts."""


@dataclass(frozen=True)
class Tile:
    """One place on a wall. Without an asset it stands for what should be there, and `reason` says why not.

    `state` is the asset's role, or what became of the stage that should have made it.
    """

    name: str
    label: str
    state: str
    row: str = ""
    reason: str = ""
    asset_id: AssetId | None = None
    blob: BlobRef | None = None
    width: int | None = None
    height: int | None = None

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes in hex digits, "" for what is missing."""
        return self.blob.digest.removeprefix("sha256:") if self.blob else ""

    @property
    def is_picture(self) -> bool:
        """Whether a browser can show it."""
        return self.blob is not None and self.blob.media_type in PICTURES


@dataclass(frozen=True)
class Wall:
    """What somebody asked to see, in the order in which it hangs. `at` is the asset that was asked for."""

    title: str
    kind: str
    tiles: tuple[Tile, ...]
    at: AssetId | None = None


class Walls:
    """Finds what somebody wants to see in a store, without reading more records than that needs."""

    def __init__(self, backend: Backend) -> None:
        self._ledger, self._batches = Ledger(backend), BatchLedger(backend)

    def find(self, what: str | None, *, everything: bool = False) -> Wall:
        """Return the wall of a run, batch, pipeline or asset; of the whole store when nothing is named.

        `everything`: also candidates, pictures on the way and what failed attempts have kept.

        Raises:
            NotFound: it means nothing in this store, or several runs.
        """
        wall = self._find(what, everything)
        wanted = tuple(tile for tile in wall.tiles if everything or _is_wanted(tile, wall.at))
        return Wall(wall.title, wall.kind, wanted, wall.at)

    def _find(self, what: str | None, everything: bool) -> Wall:
        if what is None:
            return Wall("All assets", "store", tuple(self._of_store(everything)))
        if what.startswith("ast_"):
            return self._of_asset(what, everything)
        if what == "latest" or what.startswith("run_"):
            return self._of_run(self._ledger.find_run(what), everything)
        if batch := self._batches.find(what):
            return Wall(batch.pipeline, f"batch {batch.batch_id}", tuple(_of_batch(batch)))
        tiles = tuple(self._of_store(everything, pipeline=what))
        if not tiles:
            raise NotFound(
                "run, batch, pipeline or asset", what, "see `assetmill show` and `assetmill assets`"
            )
        return Wall(what, "pipeline", tiles)

    def _of_asset(self, what: str, everything: bool) -> Wall:
        try:
            asset = self._ledger.read_asset(AssetId(what))
        except ValueError:
            asset = None
        if asset is None:
            raise NotFound("asset", what[:200], "see `assetmill assets`")
        record = self._ledger.read_stage_of(asset.asset_id)
        if record is None:
            return Wall(asset.name, "asset", (hung(asset),), asset.asset_id)
        wall = self._of_run(record.run_id, everything)
        hangs = any(tile.asset_id == asset.asset_id for tile in wall.tiles)
        tiles = wall.tiles if hangs else (hung(asset), *wall.tiles)
        return Wall(wall.title, wall.kind, tiles, asset.asset_id)

    def _of_run(self, run_id: RunId, everything: bool) -> Wall:
        manifest = self._ledger.find_manifest(run_id)
        start = self._ledger.find_start(run_id)
        title = manifest.pipeline if manifest else start.pipeline if start else "Run"
        tiles = list(_of_manifest(manifest) if manifest else self._made_by(run_id))
        if everything:
            tiles += (_kept(one) for one in self._ledger.kept.all() if one.run_id == run_id)
        return Wall(title, run_id, tuple(tiles))

    def _made_by(self, run_id: RunId) -> Iterator[Tile]:
        """Yield what a run has finished that still goes on, or was killed."""
        records = [record for record in self._ledger.stages() if record.run_id == run_id]
        return _of_records(sorted(records, key=lambda record: record.finished_at))

    def _of_store(self, everything: bool, pipeline: str | None = None) -> Iterator[Tile]:
        records = (one for one in self._ledger.stages() if pipeline in (None, one.pipeline))
        yield from _of_records(sorted(records, key=lambda record: -record.finished_at))
        if everything:
            yield from (_kept(one) for one in self._ledger.kept.all() if pipeline in (None, one.pipeline))


def _is_wanted(tile: Tile, at: AssetId | None) -> bool:
    is_missing = tile.asset_id is None
    return is_missing or tile.state in {"output", "import"} or tile.asset_id == at


def _of_manifest(manifest: RunManifest) -> Iterator[Tile]:
    for entry in manifest.stages:
        if entry.record:
            yield from _of_records([entry.record])
        elif not entry.is_done:
            yield Tile(entry.label, entry.label, entry.status, reason=entry.error or "")


def _of_records(records: Iterable[StageRecord]) -> Iterator[Tile]:
    # A choice among draws repeats what its draws have made.
    seen: set[AssetId] = set()
    for record in records:
        for asset in record.outputs:
            if asset.asset_id not in seen:
                seen.add(asset.asset_id)
                yield hung(asset)


def _of_batch(manifest: BatchManifest) -> Iterator[Tile]:
    for row in manifest.rows:
        for stage in row.stages:
            for asset in stage.assets:
                blob = BlobRef(digest=asset.digest, size_bytes=asset.size_bytes, media_type=asset.media_type)
                yield Tile(
                    asset.name,
                    stage.label,
                    "output",
                    row.name,
                    asset_id=asset.asset_id,
                    blob=blob,
                    width=asset.width,
                    height=asset.height,
                )
            # What waits for its reviewers, or was rejected, is there to be looked at.
            if not stage.is_done and not stage.assets:
                reason = stage.error or row.reason or ""
                yield Tile(
                    ", ".join(stage.missing) or stage.label, stage.label, stage.status, row.name, reason
                )
        if not row.stages:
            yield Tile(row.name, "", row.state, row.name, row.reason or "")


def hung(asset: AssetRecord) -> Tile:
    """Return the tile of an asset."""
    return Tile(
        asset.name,
        asset.label,
        asset.role,
        reason=asset.rejected,
        asset_id=asset.asset_id,
        blob=asset.blob,
        width=asset.width,
        height=asset.height,
    )


def _kept(one: KeptAsset) -> Tile:
    return replace(hung(one.asset), state="kept", reason=one.reason)
