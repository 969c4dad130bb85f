"""Which tiles hang on a wall: what somebody means by a name, found in a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from assetmill.batches.begun import BegunBatches
from assetmill.batches.ledger import BATCH_ID, BatchLedger
from assetmill.errors import NotFound
from assetmill.gallery.tiles import Tile, Wall, hung, is_wanted, of_manifest, of_records
from assetmill.gallery.underway import BatchUnderWay, Reused, RunUnderWay
from assetmill.records import AssetId, RunId, RunManifest, RunStart, StageRecord
from assetmill.store.backend import Backend
from assetmill.store.kept import KeptAsset
from assetmill.store.ledger import Ledger
from assetmill.store.run_ids import began_at


def _nothing(_start: RunStart) -> Mapping[str, StageRecord]:
    return {}


class Walls:
    """Finds what somebody wants to see in a store, without reading more records than that needs."""

    def __init__(self, backend: Backend, reused: Reused = _nothing) -> None:
        self._backend, self._reused = backend, reused
        self._ledger, self._batches = Ledger(backend), BatchLedger(backend)
        self._begun = BegunBatches(backend)

    def find(self, what: str | None, *, everything: bool = False) -> Wall:
        """Return the wall of a run, batch, pipeline or asset; of the whole store when nothing is named.

        `latest` is what was begun last, a run or a batch. On a pipeline's wall hangs also what its newest
        batch is still to make, if that is not sealed.

        `everything`: also candidates, pictures on the way and what failed attempts have kept.

        Raises:
            NotFound: it means nothing in this store, or several runs.
        """
        wall = self._find(what, everything)
        wanted = tuple(tile for tile in wall.tiles if everything or is_wanted(tile, wall.at))
        return replace(wall, tiles=wanted)

    def _find(self, what: str | None, everything: bool) -> Wall:
        if what is None:
            return Wall("All assets", "store", tuple(self._of_store(everything)))
        if what.startswith("ast_"):
            return self._of_asset(what, everything)
        is_run = what.startswith("run_")
        batch = None if is_run else self._of_batch(self._latest_batch() if what == "latest" else what)
        if batch:
            return batch
        if is_run or what == "latest":
            return self._of_run(self._ledger.find_run(what), everything, is_live=not everything)
        return self._of_pipeline(what, everything)

    def _of_pipeline(self, what: str, everything: bool) -> Wall:
        """Return what a pipeline has made, and behind it the rows of its batch that is under way."""
        tiles = tuple(self._of_store(everything, pipeline=what))
        begun = [] if everything else self._begun.newest(1, what)
        if begun:
            batch_id = begun[0].start.batch_id
            work = BatchUnderWay(self._backend, batch_id, self._batches.find(batch_id))
            hangs = {tile.asset_id for told in work.look().values() for tile in told}
            others = tuple(tile for tile in tiles if tile.asset_id is None or tile.asset_id not in hangs)
            return Wall(what, "pipeline", others, work=work)
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

    def _of_batch(self, batch_id: str) -> Wall | None:
        """Return a batch's wall, also while it has nothing but the pages of its first rows."""
        if not BATCH_ID.fullmatch(batch_id):
            return None
        manifest, start = self._batches.find(batch_id), self._batches.newest_start(batch_id)
        if not manifest and not start and not self._batches.page_keys(batch_id):
            return None
        title = manifest.pipeline if manifest else start.pipeline if start else batch_id
        work = BatchUnderWay(self._backend, batch_id, manifest)
        return Wall(title, f"batch {batch_id}", (), work=work)

    def _latest_batch(self) -> str:
        """Return the batch that was begun last, "" where a run was later."""
        began = [(one.began_at, one.start.batch_id) for one in self._begun.newest(1)]
        began += [(began_at(one.run_id), one.batch_id) for one in self._batches.newest(1)]
        runs = self._ledger.newest_runs()[:1]
        newest = max(began, default=(0.0, ""))
        return newest[1] if newest[0] > max((began_at(run_id) for run_id in runs), default=0.0) else ""

    def _of_run(self, run_id: RunId, everything: bool, *, is_live: bool = False) -> Wall:
        manifest = self._ledger.find_manifest(run_id)
        start = self._ledger.find_start(run_id)
        if start and manifest is None and is_live:
            return Wall(
                start.pipeline, run_id, (), work=RunUnderWay(self._backend, start, self._reused(start))
            )
        title = manifest.pipeline if manifest else start.pipeline if start else "Run"
        tiles = list(_hung_by(manifest) if manifest else self._made_by(run_id))
        if everything:
            tiles += (_kept(one) for one in self._ledger.kept.all() if one.run_id == run_id)
        return Wall(title, run_id, tuple(tiles))

    def _made_by(self, run_id: RunId) -> Iterator[Tile]:
        """Yield what a run has finished that still goes on, or was killed."""
        records = [record for record in self._ledger.stages() if record.run_id == run_id]
        return of_records(sorted(records, key=lambda record: record.finished_at))

    def _of_store(self, everything: bool, pipeline: str | None = None) -> Iterator[Tile]:
        records = (one for one in self._ledger.stages() if pipeline in (None, one.pipeline))
        yield from of_records(sorted(records, key=lambda record: -record.finished_at))
        if everything:
            yield from (_kept(one) for one in self._ledger.kept.all() if pipeline in (None, one.pipeline))


def _kept(one: KeptAsset) -> Tile:
    return replace(hung(one.asset), state="kept", reason=one.reason)


def _hung_by(manifest: RunManifest) -> Iterator[Tile]:
    for _, tiles in of_manifest(manifest):
        yield from tiles
