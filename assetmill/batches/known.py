"""What the store knows of a batch's stages before it is planned: a handful of requests, however many rows."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchManifest, BatchPage, BatchRow, Blocked, PackedRows
from assetmill.batches.told_rows import ToldRows
from assetmill.fingerprint import Digest, Fingerprint
from assetmill.records import AssetId, AssetRecord, StageRecord
from assetmill.store import batch_layout
from assetmill.store.ledger import Ledger

_RECORDS_KEPT = 512


class KnownRows:
    """Finished stages, traces, done rows and blocked prompts of a pipeline.

    A stage is finished when the store lists its commit, whatever a batch has noted. `traces` says which
    fingerprint a stage had by what decides it and its upstream's fingerprints. A commit is written once, so
    that a trace stays true for ever.
    """

    def __init__(
        self, ledger: Ledger, batches: BatchLedger, pipeline: str, batch_id: str, *, is_retrying: bool = False
    ) -> None:
        self._ledger, self._batches, self._pipeline = ledger, batches, pipeline
        self.traces: dict[str, Fingerprint] = {}
        self.rows = ToldRows[str]()
        self.seen_pages: set[str] = set()
        self._listed: set[Fingerprint] | None = None
        self._digests: dict[Fingerprint, frozenset[Digest]] | None = None
        self.record = functools.lru_cache(_RECORDS_KEPT)(self._record)
        self.asset = functools.lru_cache(_RECORDS_KEPT)(self._asset)
        self.blocked: dict[Fingerprint, Blocked] = {} if is_retrying else batches.blocked(pipeline)
        manifest = batches.newest_manifest(batch_id)
        self.newest = manifest and manifest.model_copy(update={"rows": PackedRows(manifest.rows)})
        if known := manifest or batches.newest_of(pipeline):
            self._add(known)
        # What was written before the newest manifest is in it.
        sealed_ns = int(self.newest.finished_at * 1e9) if self.newest else 0
        for key in batches.page_keys(batch_id):
            self.seen_pages.add(key)
            if batch_layout.page_time_ns(key) > sealed_ns and (page := batches.read_page(key)):
                self._add(page)

    def is_done(self, fp: Fingerprint) -> bool:
        """Return whether a stage is finished."""
        if self._listed is None:
            self._listed = self._ledger.finished(self._pipeline)
        return fp in self._listed

    def listed(self, _pipeline: str, fp: Fingerprint) -> StageRecord | None:
        """Return the record of a stage that the listing has: no request for one that is not made."""
        return self.record(fp) if self.is_done(fp) else None

    def stored(self, _pipeline: str, fp: Fingerprint) -> StageRecord | None:
        """Return the record of a stage, also of one that was drawn since the listing."""
        return self.record(fp) if self.is_done(fp) else self._record(fp)

    def digests(self, fp: Fingerprint) -> frozenset[Digest] | None:
        """Return the bytes that a stage of a row that is done has made, None where no such row is known."""
        if self._digests is None:
            self._digests = {
                stage.fingerprint: frozenset(asset.digest for asset in stage.assets)
                for row in self.rows.values()
                for stage in row.stages
                if stage.fingerprint
            }
        return self._digests.get(fp)

    def row_with(self, key: str, fingerprints: Iterable[Fingerprint | None]) -> BatchRow | None:
        """Return the row of these parameters if it was done with these very stages."""
        row = self.rows.get(key)
        if row is None or [stage.fingerprint for stage in row.stages] != list(fingerprints):
            return None
        return row

    def _add(self, told: BatchManifest | BatchPage) -> None:
        self.traces.update(told.traces)
        # A row that is not done says nothing of what is there: its stages are looked for.
        self.rows.update({row.key: row for row in told.rows if row.is_done})

    def _record(self, fp: Fingerprint) -> StageRecord | None:
        return self._ledger.read_stage(self._pipeline, fp)

    def _asset(self, asset_id: AssetId) -> AssetRecord | None:
        try:
            return self._ledger.read_asset(asset_id)
        except ValueError:
            return None
