"""Which asset a service ID, a digest or a prefix means, and what was made from an asset.

Built from sealed runs, so it can be thrown away.

A page holds every row up to when it was made; the runs sealed since then are read one by one, and folded into
a new page when they have become many.
"""

from __future__ import annotations

import gzip
import time
from collections import defaultdict
from functools import cached_property
from typing import Literal

from assetmill.errors import KeyExists
from assetmill.fingerprint import Digest
from assetmill.records import AssetId, AssetRecord, RunId, RunManifest, Stored
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.kinds import Unreadable, is_stray, validated
from assetmill.store.ledger import Ledger

COMPACT_AT = 32
"""Runs since the newest page: as many reads are still quick, more are not."""

_PAGES_TRIED = 8

_RECENT = 256
"""Runs whose names a page keeps: one that started before others and is sealed after them is not missed."""


class IndexRow(Stored):
    """One asset, in as few words as it is looked for."""

    asset_id: AssetId
    digest: Digest
    parents: tuple[AssetId, ...] = ()
    service_ids: tuple[str, ...] = ()
    created_at: float


class IndexPage(Stored):
    """Every asset of the runs sealed so far. Runs up to `floor` are covered, later ones if in `recent`."""

    schema_version: Literal[1] = 1
    floor: RunId
    recent: tuple[RunId, ...]
    rows: tuple[IndexRow, ...]


class Index:
    """The assets of a store as they were when it was first asked; make a new one to look again."""

    def __init__(self, backend: Backend, ledger: Ledger) -> None:
        self._backend, self._ledger = backend, ledger

    @cached_property
    def rows(self) -> dict[AssetId, IndexRow]:
        """Every asset of a sealed run. Costs three requests and one for each run since the newest page."""
        page = self._newest_page()
        recent = set(page.recent)
        rows = {row.asset_id: row for row in page.rows}
        sealed: list[RunId] = []
        for run_id in self._ledger.runs():
            if run_id <= page.floor or run_id in recent:
                continue
            if manifest := self._ledger.find_manifest(run_id):
                sealed.append(run_id)
                # The later one counts: what was lost may have been made again under its ID.
                rows.update((row.asset_id, row) for row in _rows(manifest))
        if len(sealed) >= COMPACT_AT:
            self._write_page(sorted({*recent, *sealed}), page.floor, rows)
        return rows

    def with_service_id(self, service_id: str) -> tuple[AssetId, ...]:
        """Return the assets that came under an ID of the service: of a call, a file, a response."""
        return tuple(row.asset_id for row in self.rows.values() if service_id in row.service_ids)

    def with_digest(self, digest: Digest) -> tuple[AssetId, ...]:
        """Return the assets that have these very bytes, the newest first."""
        found = [row for row in self.rows.values() if row.digest == digest]
        return tuple(row.asset_id for row in sorted(found, key=lambda row: -row.created_at))

    def with_prefix(self, prefix: str) -> tuple[AssetId, ...]:
        """Return the assets whose ID begins like that."""
        return tuple(sorted(asset_id for asset_id in self.rows if asset_id.startswith(prefix)))

    def children(self, asset_id: AssetId) -> tuple[AssetId, ...]:
        """Return what was made from an asset, in the order in which it was made."""
        return tuple(self._children.get(asset_id, ()))

    @cached_property
    def _children(self) -> dict[AssetId, list[AssetId]]:
        found: defaultdict[AssetId, list[AssetId]] = defaultdict(list)
        for row in sorted(self.rows.values(), key=lambda row: row.created_at):
            for parent in dict.fromkeys(row.parents):
                found[parent].append(row.asset_id)
        return dict(found)

    def _newest_page(self) -> IndexPage:
        """Return the newest page that can be read; the runs after it are read again, so none is missed."""
        for entry in self._backend.list(layout.INDEX, limit=_PAGES_TRIED):
            if is_stray(entry.key):
                continue
            try:
                return validated(IndexPage, self._backend.get(entry.key))
            except Unreadable:
                continue
        return IndexPage(floor=RunId(""), recent=(), rows=())

    def _write_page(self, covered: list[RunId], floor: RunId, rows: dict[AssetId, IndexRow]) -> None:
        if len(covered) > _RECENT:
            floor = covered[-_RECENT - 1]
        page = IndexPage(floor=floor, recent=tuple(covered[-_RECENT:]), rows=tuple(rows.values()))
        data = gzip.compress(page.model_dump_json(exclude_defaults=True).encode(), mtime=0)
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
