"""Which asset a service ID, a digest or a prefix means, and what was made from an asset.

Built from sealed runs, so it can be thrown away.

A page holds every row up to when it was made; the runs sealed since then are read one by one, and folded into
a new page when they have become many.
"""

from __future__ import annotations

import time
from functools import cached_property

from assetmill.errors import KeyExists
from assetmill.fingerprint import Digest
from assetmill.records import AssetId, AssetRecord, RunId, RunManifest
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.index_rows import IndexPage, IndexRow, IndexRows, read_page, write_page
from assetmill.store.kinds import Unreadable, is_stray
from assetmill.store.ledger import Ledger
from assetmill.store.streams import opened

COMPACT_AT = 32
"""Runs since the newest page: as many reads are still quick, more are not."""

_PAGES_TRIED = 8

_RECENT = 256
"""Runs whose names a page keeps: one that started before others and is sealed after them is not missed."""


class Index:
    """The assets of a store as they were when it was first asked; make a new one to look again."""

    def __init__(self, backend: Backend, ledger: Ledger) -> None:
        self._backend, self._ledger = backend, ledger

    @cached_property
    def rows(self) -> IndexRows:
        """Every asset of a sealed run. Costs three requests and one for each run since the newest page."""
        page, rows = self._newest_page()
        recent = set(page.recent)
        sealed: list[RunId] = []
        for run_id in self._ledger.runs():
            if run_id <= page.floor or run_id in recent:
                continue
            if manifest := self._ledger.find_manifest(run_id):
                sealed.append(run_id)
                # The later one counts: what was lost may have been made again under its ID.
                rows.add(_rows(manifest))
        if len(sealed) >= COMPACT_AT:
            self._write_page(sorted({*recent, *sealed}), page.floor, rows)
        return rows

    def with_service_id(self, service_id: str) -> tuple[AssetId, ...]:
        """Return the assets that came under an ID of the service: of a call, a file, a response."""
        found = self.rows.naming(service_id, "number")
        return tuple(row.asset_id for row in found if service_id in row.service_ids)

    def with_digest(self, digest: Digest) -> tuple[AssetId, ...]:
        """Return the assets that have these very bytes, the newest first."""
        return tuple(row.asset_id for row in self.rows.with_digest(digest))

    def with_prefix(self, prefix: str) -> tuple[AssetId, ...]:
        """Return the assets whose ID begins like that."""
        return tuple(row.asset_id for row in self.rows.with_prefix(prefix))

    def children(self, asset_id: AssetId) -> tuple[AssetId, ...]:
        """Return what was made from an asset, in the order in which it was made."""
        found = self.rows.naming(asset_id, "created_at")
        return tuple(row.asset_id for row in found if asset_id in row.parents)

    def _newest_page(self) -> tuple[IndexPage, IndexRows]:
        """Return the newest page that can be read; the runs after it are read again, so none is missed."""
        for entry in self._backend.list(layout.INDEX, limit=_PAGES_TRIED):
            if is_stray(entry.key):
                continue
            try:
                return read_page(opened(self._backend, entry))
            except Unreadable:
                continue
        return IndexPage(floor=RunId(""), recent=(), rows=()), IndexRows()

    def _write_page(self, covered: list[RunId], floor: RunId, rows: IndexRows) -> None:
        if len(covered) > _RECENT:
            floor = covered[-_RECENT - 1]
        head = IndexPage(floor=floor, recent=tuple(covered[-_RECENT:]), rows=())
        data = write_page(head, rows)
        try:
            self._backend.create(layout.index_page(time.time_ns()), data, media_type="application/gzip")
        except KeyExists:
            return  # another reader folded the same runs in the same nanosecond


def _rows(manifest: RunManifest) -> list[IndexRow]:
    return [_row(asset) for asset in manifest.assets()]


def _row(asset: AssetRecord) -> IndexRow:
    ids = [handle.id for handle in asset.handles]
    if asset.made_by is not None:
        ids.append(asset.made_by.response_id)
    return IndexRow(
        asset_id=asset.asset_id,
        digest=asset.blob.digest,
        parents=asset.derived_from,
        service_ids=tuple(dict.fromkeys(ids)),
        created_at=asset.created_at,
    )
