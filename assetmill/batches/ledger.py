"""Where the records of batches lie. All are created once; what is newer is another object."""

from __future__ import annotations

import gzip
import itertools
import re
import time
import uuid
from typing import TypeVar

from pydantic import ValidationError

from assetmill.batches.records import BatchManifest, BatchPage, BatchStart, Blocked, Halt
from assetmill.errors import KeyExists, KeyMissing, NotFound, StoreError, StoreUnavailable
from assetmill.fingerprint import Fingerprint
from assetmill.records import Stored
from assetmill.redaction import redact_known
from assetmill.store import layout
from assetmill.store.backend import Backend

R = TypeVar("R", bound=Stored)

BATCH_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
"""What a batch can be called; what its content names it is of this form too."""


class BatchLedger:
    """Records of batches in an object store. Safe for threads; holds no state but its backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def write_start(self, start: BatchStart) -> None:
        """Store what a batch is made of; repeating is free."""
        self._create(layout.batch_start(start.batch_id, start.content), start)

    def read_start(self, batch_id: str, content: str) -> BatchStart:
        """Return what a batch is made of.

        Raises:
            NotFound: no such batch.
        """
        try:
            return self._read(layout.batch_start(batch_id, content), BatchStart)
        except KeyMissing as error:
            raise NotFound("batch", batch_id, "see what `assetmill batch` printed") from error

    def write_page(self, page: BatchPage) -> None:
        """Store what became of a group of rows."""
        key = layout.batch_page(page.batch_id, time.time_ns(), uuid.uuid4().hex[:12])
        self._create(key, page)

    def page_keys(self, batch_id: str) -> list[str]:
        """Return the keys of a batch's pages, oldest first."""
        return [entry.key for entry in self._backend.list(layout.batch_pages(batch_id))]

    def read_page(self, key: str) -> BatchPage:
        """Return one page."""
        return self._read(key, BatchPage)

    def write_manifest(self, manifest: BatchManifest) -> None:
        """Seal a run of a batch and make it its pipeline's newest batch."""
        now = time.time_ns()
        while self._create(layout.batch_manifest(manifest.batch_id, now), manifest).run_id != manifest.run_id:
            now += 1
        head = layout.batch_manifest(manifest.batch_id, now).encode()
        for offset in itertools.count(now):
            key = layout.batch_head(manifest.pipeline, offset)
            try:
                return self._backend.create(key, head, media_type="text/plain")
            except KeyExists:
                # A lost reply makes one's own write look like another's.
                if self._backend.get(key) == head:
                    return None

    def newest_manifest(self, batch_id: str) -> BatchManifest | None:
        """Return the newest manifest of a batch, None when it was never sealed."""
        entry = next(iter(self._backend.list(layout.batch_manifests(batch_id), limit=1)), None)
        return self._read(entry.key, BatchManifest) if entry else None

    def find(self, batch_id: str) -> BatchManifest | None:
        """Return the newest manifest of the batch that somebody names, None when there is none."""
        return self.newest_manifest(batch_id) if BATCH_ID.fullmatch(batch_id) else None

    def newest_of(self, pipeline: str) -> BatchManifest | None:
        """Return the newest manifest of any batch of a pipeline: two requests."""
        head = next(iter(self._backend.list(layout.batch_heads(pipeline), limit=1)), None)
        if head is None:
            return None
        return self._read(self._backend.get(head.key).decode(), BatchManifest)

    def write_blocked(self, pipeline: str, blocked: Blocked) -> None:
        """Put a prompt in quarantine; the first reason stays."""
        self._create(layout.blocked(pipeline, blocked.fingerprint), blocked)

    def blocked(self, pipeline: str) -> dict[Fingerprint, Blocked]:
        """Return the prompts of a pipeline that are in quarantine."""
        keys = [entry.key for entry in self._backend.list(layout.blocked_all(pipeline))]
        return {record.fingerprint: record for record in (self._read(key, Blocked) for key in keys)}

    def halt(self, batch_id: str, run: str, reason: str) -> None:
        """Tell everybody who works for this run of a batch to stop."""
        self._create(layout.batch_halt(batch_id, run), Halt(reason=reason, created_at=time.time()))

    def halted(self, batch_id: str, run: str) -> Halt | None:
        """Return why a run of a batch must stop, None while it may go on."""
        try:
            return self._read(layout.batch_halt(batch_id, run), Halt)
        except KeyMissing:
            return None

    def _read(self, key: str, model: type[R]) -> R:
        data = self._backend.get(key)
        try:
            return model.model_validate_json(gzip.decompress(data))
        except (ValidationError, OSError, EOFError) as error:
            raise StoreError(f"{key} in {self._backend.name} is not a {model.__name__}: {error}") from error

    def _create(self, key: str, record: R) -> R:
        # The fastest level: a manifest of many rows is mostly digests, which do not shrink.
        data = gzip.compress(redact_known(record.model_dump_json()).encode(), compresslevel=1, mtime=0)
        try:
            self._backend.create(key, data)
        except KeyExists:
            return self._read(key, type(record))
        except StoreUnavailable:
            # A time-out does not say whether the write was applied: what is there does.
            try:
                return self._read(key, type(record))
            except KeyMissing:
                pass
            raise
        return record
