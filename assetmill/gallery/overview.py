"""What the home page tells: pipelines, the newest runs and batches, their costs, and what waits."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from assetmill.batches.begun import BegunBatch, BegunBatches
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchManifest
from assetmill.batches.so_far import MAY_STILL_RUN_S, BatchLooks
from assetmill.errors import InvalidSpec
from assetmill.gallery.reviewing import Reviewing
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.tiles import Tile, is_wanted, of_manifest, of_row
from assetmill.gallery.underway import RunUnderWay
from assetmill.records import BlobRef, RunId, RunManifest, RunStart
from assetmill.redaction import redact_known
from assetmill.spec.loading import load_pipeline, pipeline_names
from assetmill.store.backend import Backend
from assetmill.store.ledger import Ledger

_RUNS = 24
_BATCHES = 6
_BEGUN = 6
_THUMBNAILS = 5
_READERS = 8
_WAITS = frozenset({"waiting", "in_doubt"})


class Overview:
    """Reads what the home page tells. Safe for threads."""

    def __init__(
        self, backend: Backend, configs: Path, thumbnails: ThumbnailStore, reviewing: Reviewing | None
    ) -> None:
        self._backend, self._ledger, self._batches = backend, Ledger(backend), BatchLedger(backend)
        self._begun, self._looks = BegunBatches(backend), BatchLooks(backend)
        self._configs, self._thumbnails, self._reviewing = configs, thumbnails, reviewing
        self._offered: dict[str, BlobRef] = {}

    def read(self) -> dict[str, Any]:
        """Return everything, the newest first.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        with ThreadPoolExecutor(_READERS, "overview") as pool:
            runs = list(pool.map(self._run, self._ledger.newest_runs()[:_RUNS]))
            begun = list(pool.map(self._begun_batch, self._begun.newest(_BEGUN)))
            sealed = list(pool.map(self._batch, self._batches.newest(_BATCHES)))
        known = {one["name"] for one in begun}
        batches = [*begun, *(one for one in sealed if one["name"] not in known)]
        return {
            "pipelines": [self._pipeline(name) for name in pipeline_names(self._configs)],
            "runs": [run for run in runs if run],
            "batches": batches,
        }

    def thumbnail(self, sha256: str) -> bytes | None:
        """Return a small picture that was told of, None when it was not, or its bytes are lost."""
        blob = self._offered.get(sha256)
        return self._thumbnails.read(blob) if blob else None

    def _pipeline(self, name: str) -> dict[str, Any]:
        try:
            spec = load_pipeline(name, self._configs).spec
        except InvalidSpec as error:
            return {"name": name, "description": "", "problem": redact_known(str(error))}
        return {"name": name, "description": spec.description or "", "stages": len(spec.stages)}

    def _run(self, run_id: RunId) -> dict[str, Any] | None:
        start, manifest = self._ledger.find_start(run_id), self._ledger.find_manifest(run_id)
        if manifest is None:
            return self._unsealed(start) if start else None
        tiles = [one for _, told in of_manifest(manifest) for one in told if is_wanted(one, None)]
        told = self._told(manifest.run_id, manifest.pipeline, tiles)
        return told | {
            "state": manifest.status,
            "done": sum(entry.is_done for entry in manifest.stages),
            "of": len(manifest.stages),
            "spent": manifest.spent_usd,
            "at": manifest.finished_at,
            "problem": _problem(manifest),
            "waits": sum(entry.status in _WAITS and not entry.record for entry in manifest.stages),
        }

    def _unsealed(self, start: RunStart) -> dict[str, Any]:
        is_new = time.time() < start.started_at + MAY_STILL_RUN_S
        is_going = is_new and RunUnderWay(self._backend, start, {}).is_going()
        told = self._told(start.run_id, start.pipeline, [])
        state = "under way" if is_going else "interrupted"
        return told | {"state": state, "of": len(start.stages), "at": start.started_at}

    def _begun_batch(self, begun: BegunBatch) -> dict[str, Any]:
        """Tell of a batch that is not sealed: some process works at it, or it was killed."""
        now = self._looks.look(begun)
        tiles = [tile for row in now.shown for tile in of_row(row)]
        told = self._told(begun.start.batch_id, begun.start.pipeline, tiles, is_part=True)
        return told | {
            "state": "under way" if now.is_going else "interrupted",
            "is_at_least": True,
            "done": now.done,
            "of": begun.start.row_count,
            "spent": now.spent_usd,
            "at": begun.began_at,
        }

    def _batch(self, manifest: BatchManifest) -> dict[str, Any]:
        tiles = [tile for row in islice(manifest.rows, _THUMBNAILS) for tile in of_row(row)]
        told = self._told(manifest.batch_id, manifest.pipeline, tiles, is_part=True)
        return told | {
            "state": manifest.status,
            "done": sum(row.is_done for row in manifest.rows),
            "of": len(manifest.rows),
            "spent": manifest.spent_usd,
            "at": manifest.finished_at,
            "problem": manifest.reason or "",
            "waits": manifest.count("in_doubt"),
            "undecided": manifest.count("waiting"),
        }

    def _told(
        self, name: str, pipeline: str, tiles: Iterable[Tile], *, is_part: bool = False
    ) -> dict[str, Any]:
        pictures = [tile for tile in tiles if tile.is_picture]
        for tile in pictures[:_THUMBNAILS]:
            if tile.blob:
                self._offered[tile.sha256] = tile.blob
        thumbnails = [f"thumbnails/{tile.sha256}.webp" for tile in pictures[:_THUMBNAILS]]
        told: dict[str, Any] = {"name": name, "pipeline": pipeline, "thumbnails": thumbnails}
        if self._reviewing and self._reviewing.reviewer and not is_part:
            stands = self._reviewing.stands(pictures)
            told["undecided"] = sum(stand == "open" for stand in stands)
        return told


def _problem(manifest: RunManifest) -> str:
    errors = (entry.error for entry in manifest.stages if entry.error and entry.status != "skipped")
    return redact_known(next(errors, ""))
