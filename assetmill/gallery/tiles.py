"""What hangs on a wall: a tile for every asset of a run, a batch or a pipeline, and for what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from assetmill.batches.records import BatchRow
from assetmill.editing.orders import COMPOSITE, PIPELINE, STAGE
from assetmill.fingerprint import Fingerprint
from assetmill.records import AssetId, AssetRecord, BlobRef, RunManifest, StageEntry, StageRecord

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
    fingerprint: Fingerprint | None = None
    """Of the stage whose output it is: of a choice among draws, which has the checks, not of the draw."""

    frames: tuple[BlobRef, ...] = ()
    """Partial pictures that came so far, in their order, while it is being drawn."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes in hex digits, "" for what is missing."""
        return self.blob.digest.removeprefix("sha256:") if self.blob else ""

    @property
    def is_picture(self) -> bool:
        """Whether a browser can show it."""
        return self.blob is not None and self.blob.media_type in PICTURES


Slots = Mapping[str, tuple[Tile, ...]]
"""The tiles of each unit of work, a stage or a row, by its name and in order: one at least."""


class UnderWay(Protocol):
    """Work of which more may come. `is_over`: the last look saw its end."""

    is_over: bool

    def look(self) -> Slots:
        """Return what is there now."""
        ...


@dataclass(frozen=True)
class Wall:
    """What somebody asked to see, in the order in which it hangs. `at` is the asset that was asked for.

    Of what is under way `work` tells the tiles, as they come.
    """

    title: str
    kind: str
    tiles: tuple[Tile, ...]
    at: AssetId | None = None
    work: UnderWay | None = None


def is_wanted(tile: Tile, at: AssetId | None) -> bool:
    """Whether a tile hangs where not everything was asked for."""
    is_missing = tile.asset_id is None
    return is_missing or tile.state in {"output", "import"} or tile.asset_id == at


def of_manifest(manifest: RunManifest) -> Iterator[tuple[str, tuple[Tile, ...]]]:
    """Yield the stages of a run that has ended, each with its tiles."""
    entries = manifest.stages if manifest.pipeline == PIPELINE else ()
    put_back = {one.variant for one in entries if one.stage == COMPOSITE and one.record}
    for entry in manifest.stages:
        tiles = tuple(of_entry(entry))
        if put_back and entry.stage == STAGE and entry.variant in put_back:
            # What the service drew, outside the mask too: the edit is what was made of it.
            tiles = tuple(replace(tile, state="prepared") for tile in tiles)
        yield entry.label, tiles


def of_entry(entry: StageEntry) -> Iterator[Tile]:
    """Yield the tiles of a stage of a run that has ended."""
    if entry.record:
        yield from of_records([entry.record])
    elif not entry.is_done:
        yield Tile(entry.label, entry.label, entry.status, reason=entry.error or "")


def of_records(records: Iterable[StageRecord]) -> Iterator[Tile]:
    """Yield the tiles of finished stages."""
    # A choice among draws repeats what its draws have made.
    seen: set[AssetId] = set()
    for record in records:
        for asset in record.outputs:
            if asset.asset_id not in seen:
                seen.add(asset.asset_id)
                yield hung(asset, record.fingerprint)


def of_row(row: BatchRow) -> Iterator[Tile]:
    """Yield the tiles of a row of a batch."""
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
                fingerprint=stage.fingerprint,
            )
        # What waits for its reviewers, or was rejected, is there to be looked at.
        if not stage.is_done and not stage.assets:
            reason = stage.error or row.reason or ""
            yield Tile(", ".join(stage.missing) or stage.label, stage.label, stage.status, row.name, reason)
    if not row.stages:
        yield Tile(row.name, "", row.state, row.name, row.reason or "")


def hung(asset: AssetRecord, fp: Fingerprint | None = None) -> Tile:
    """Return the tile of an asset, and of the stage with a fingerprint."""
    return Tile(
        asset.name,
        asset.label,
        asset.role,
        reason=asset.rejected,
        asset_id=asset.asset_id,
        blob=asset.blob,
        width=asset.width,
        height=asset.height,
        fingerprint=fp,
    )
