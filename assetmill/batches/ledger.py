"""Where the records of batches lie. All are created once; what is newer is another object."""

from __future__ import annotations

import itertools
import re
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from pydantic import ValidationError

from assetmill.batches.records import (
    BatchManifest,
    BatchPage,
    BatchStart,
    Blocked,
    Halt,
    ShardProgress,
)
from assetmill.errors import KeyExists, KeyMissing, NotFound, StoreError, StoreUnavailable
from assetmill.fingerprint import Fingerprint
from assetmill.records import Stored
from assetmill.redaction import redact_known
from assetmill.store import batch_layout, layout
from assetmill.store.backend import Backend
from assetmill.store.kinds import STAGE
from assetmill.store.record_objects import REPAIR, TRIED, RecordObjects
from assetmill.store.run_ids import is_of_flow_run

R = TypeVar("R", bound=Stored)
_PAGE = re.compile(r"/[0-9a-f]{16}\.[0-9a-f]+$")
_MANIFEST = re.compile(r"v1/n/[a-z0-9][a-z0-9_.-]*/m/[0-9a-f]{16}")

BATCH_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
"""What a batch can be called; what its content names it is of this form too."""


class BatchLedger:
    """Records of batches in an object store. Safe for threads; holds only what it has told."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._records = RecordObjects(backend)

    def write_start(self, start: BatchStart) -> None:
        """Store what a batch is made of; repeating is free."""
        self._create(batch_layout.start(start.batch_id, start.content), start)

    def read_start(self, batch_id: str, content: str) -> BatchStart:
        """Return what a batch is made of.

        Raises:
            NotFound: no such batch.
        """
        key = batch_layout.start(batch_id, content)
        start = self._records.read(key, BatchStart)
        if start is None:
            raise NotFound("batch", batch_id, "see what `assetmill batch` printed")
        if (start.batch_id, start.content) != (batch_id, content):
            raise StoreError(f"{key} in {self._backend.name} holds the start of another batch; {REPAIR}")
        return start

    def newest_start(self, batch_id: str) -> BatchStart | None:
        """Return what a batch is made of that somebody names, None when none of that name has kept it.

        One that a person named may have changed its rows: the newest one is meant.
        """
        prefix = batch_layout.start(batch_id, "")
        keys = [entry.key for entry in self._backend.list(prefix)] if BATCH_ID.fullmatch(batch_id) else []
        found = [start for key in keys if (start := self._records.read_or_warn(key, BatchStart))]
        return max(found, key=lambda start: start.created_at, default=None)

    def write_page(self, page: BatchPage) -> None:
        """Store what became of a group of rows."""
        key = batch_layout.page(page.batch_id, time.time_ns(), uuid.uuid4().hex[:12])
        self._create(key, page)

    def page_keys(self, batch_id: str) -> list[str]:
        """Return the keys of a batch's pages, oldest first."""
        keys = [entry.key for entry in self._backend.list(batch_layout.pages(batch_id))]
        return [key for key in keys if _PAGE.search(key)]

    def read_page(self, key: str) -> BatchPage | None:
        """Return one page; what cannot be read is told and left out: its rows are looked for."""
        page = self._records.read_or_warn(key, BatchPage)
        return page if page is None or key.startswith(batch_layout.pages(page.batch_id)) else None

    def write_manifest(self, manifest: BatchManifest) -> None:
        """Seal a run of a batch and make it its pipeline's newest batch."""
        now = self._records.time_for(batch_layout.manifests(manifest.batch_id), time.time_ns())
        while self._create(batch_layout.manifest(manifest.batch_id, now), manifest).run_id != manifest.run_id:
            now += 1
        head = batch_layout.manifest(manifest.batch_id, now).encode()
        for time_ns in itertools.count(self._records.time_for(batch_layout.heads(manifest.pipeline), now)):
            key = batch_layout.head(manifest.pipeline, time_ns)
            try:
                return self._backend.create(key, head, media_type="text/plain")
            except KeyExists:
                # A lost reply makes one's own write look like another's.
                if self._backend.get(key) == head:
                    return None

    def newest_manifest(self, batch_id: str) -> BatchManifest | None:
        """Return the newest manifest of a batch that can be read, None when it was never sealed."""
        prefix = batch_layout.manifests(batch_id)
        for entry in self._backend.list(prefix, limit=TRIED):
            manifest = self._records.read_or_warn(entry.key, BatchManifest)
            if manifest and manifest.batch_id == batch_id:
                return manifest
        return None

    def find(self, batch_id: str) -> BatchManifest | None:
        """Return the newest manifest of the batch that somebody names, None when there is none."""
        return self.newest_manifest(batch_id) if BATCH_ID.fullmatch(batch_id) else None

    def newest_of(self, pipeline: str) -> BatchManifest | None:
        """Return the newest manifest of any batch of a pipeline: two requests."""
        for head in self._backend.list(batch_layout.heads(pipeline), limit=TRIED):
            name = self._backend.get(head.key).decode(errors="replace")
            if not is_name_of_manifest(name):
                self._records.warn(head.key, "it names no manifest of a batch")
            elif manifest := self._records.read_or_warn(name, BatchManifest):
                return manifest
        return None

    def each_of(self, pipeline: str) -> Iterator[BatchManifest]:
        """Yield the newest manifest of each batch of a pipeline, the batch that was sealed last first."""
        seen: set[str] = set()
        for head in self._backend.list(batch_layout.heads(pipeline)):
            name = self._backend.get(head.key).decode(errors="replace")
            # The batch is the part before its manifest's name: a batch that is known is not read again.
            if not is_name_of_manifest(name) or (batch := name.split("/")[2]) in seen:
                continue
            if manifest := self._records.read_or_warn(name, BatchManifest):
                seen.add(batch)
                yield manifest

    def newest(self, most: int) -> list[BatchManifest]:
        """Return the newest manifests of the batches that were sealed last, one of each, newest first."""
        heads = sorted(
            self._backend.list(layout.BATCH_HEADS), key=lambda head: head.modified_at, reverse=True
        )
        found: dict[str, BatchManifest] = {}
        for head in heads[: most * TRIED]:
            name = self._backend.get(head.key).decode(errors="replace")
            # The batch is the part before its manifest's name: a batch that is known is not read again.
            is_new = is_name_of_manifest(name) and name.split("/")[2] not in found
            if is_new and (manifest := self._records.read_or_warn(name, BatchManifest)):
                found[manifest.batch_id] = manifest
            if len(found) == most:
                break
        return list(found.values())

    def write_blocked(self, pipeline: str, blocked: Blocked) -> None:
        """Put a prompt in quarantine; the first reason stays."""
        self._create(layout.blocked(pipeline, blocked.fingerprint), blocked)

    def blocked(self, pipeline: str) -> dict[Fingerprint, Blocked]:
        """Return the prompts of a pipeline that are in quarantine."""
        listed = (entry.key for entry in self._backend.list(layout.blocked_all(pipeline)))
        keys = [key for key in listed if re.fullmatch(rf"v1/z/{STAGE}", key)]
        found = {blocked_by(key): self._records.read_or_warn(key, Blocked) for key in keys}
        # That it is there is what counts, and its key says of what: it cannot be lifted by damage.
        return {fp: record or unread_block(fp) for fp, record in found.items()}

    def halt(self, batch_id: str, run: str, reason: str, *, is_cancel: bool = False) -> None:
        """Tell everybody who works for this run of a batch to stop."""
        halt = Halt(reason=reason, created_at=time.time(), is_cancel=is_cancel)
        self._create(batch_layout.halt(batch_id, run), halt)

    def halted(self, batch_id: str, run: str) -> Halt | None:
        """Return why a run of a batch must stop, None while it may go on."""
        key = batch_layout.halt(batch_id, run)
        if self._backend.head(key) is None:
            return None
        return self._records.read_or_warn(key, Halt) or unread_halt()

    def cancel(self, batch_id: str, reason: str) -> None:
        """Stop everybody who works for any run of a batch that has begun."""
        now = time.time_ns()
        self._create(
            batch_layout.cancel(batch_id, now),
            Halt(reason=reason, created_at=now / 1e9, is_cancel=True),
        )

    def beat(
        self, batch_id: str, flow_run_id: str, number: int, progress: ShardProgress | None = None
    ) -> None:
        """Say that a shard's flow run is alive and how far it is, in the place of what it said before."""
        told = progress.model_dump_json(exclude_defaults=True).encode() if progress else b""
        with suppress(KeyExists):
            self._backend.create(
                batch_layout.beat(batch_id, flow_run_id, number), told, media_type="text/plain"
            )
        self._backend.delete(batch_layout.beat(batch_id, flow_run_id, number - 1))

    def read_beat(self, batch_id: str, flow_run_id: str, number: int) -> ShardProgress | None:
        """Return how far a shard is; None where it says only that it is alive, or has said more since."""
        with suppress(KeyMissing, ValidationError):
            told = self._backend.get(batch_layout.beat(batch_id, flow_run_id, number))
            return ShardProgress.model_validate_json(told) if told else None
        return None

    def end_beats(self, batch_id: str, flow_run_id: str, number: int) -> None:
        """Take back the last heartbeat: the shard has ended, or is known to be dead."""
        self._backend.delete(batch_layout.beat(batch_id, flow_run_id, number))

    def each_beat(self, batch_id: str) -> Iterator[tuple[str, int, float]]:
        """Yield every heartbeat of a batch: flow run, number, when the store got it. One request."""
        prefix = batch_layout.beats(batch_id)
        for entry in self._backend.list(prefix):
            flow_run_id, _, number = entry.key.removeprefix(prefix).rpartition(".")
            if number.isdecimal():
                yield flow_run_id, int(number), entry.modified_at

    def beats(self, batch_id: str) -> dict[str, int]:
        """Return the newest heartbeat of each flow run of a batch: one request."""
        found: dict[str, int] = {}
        for flow_run_id, number, _ in self.each_beat(batch_id):
            found[flow_run_id] = max(number, found.get(flow_run_id, 0))
        return found

    def shard_beats(self, batch_id: str, run: str) -> dict[str, int]:
        """Return the same without what the process that began a run of the batch says of all of it."""
        found = self.beats(batch_id)
        return {one: number for one, number in found.items() if not is_of_flow_run(run, one)}

    def is_known(self, batch_id: str) -> bool:
        """Whether anything of a batch is stored."""
        return next(self._backend.list(batch_layout.prefix(batch_id), limit=1), None) is not None

    def halts(self, batch_id: str) -> list[str]:
        """Return the keys of everything that stops runs of a batch: one request."""
        return [entry.key for entry in self._backend.list(batch_layout.halts(batch_id))]

    def read_halt(self, key: str) -> Halt:
        """Return what a key of `halts` says; that it is there is what counts."""
        return self._records.read_or_warn(key, Halt) or unread_halt()

    def _read(self, key: str, model: type[R]) -> R:
        record = self._records.read(key, model)
        if record is None:
            raise KeyMissing(f"{self._backend.name} has no {key!r}")
        return record

    def _create(self, key: str, record: R) -> R:
        data = _packed(record.pieces() if isinstance(record, BatchManifest) else [record.model_dump_json()])
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


def _packed(pieces: Iterable[str]) -> bytes:
    """Return a record's JSON as gzip, without any known secret."""
    # The fastest level: a manifest of many rows is mostly digests, which do not shrink.
    squeeze = zlib.compressobj(1, wbits=31)
    told = [squeeze.compress(redact_known(piece).encode()) for piece in pieces]
    return b"".join([*told, squeeze.flush()])


def is_name_of_manifest(name: str) -> bool:
    """Whether a text is the key of a manifest of a batch, as every head of a batch is."""
    return _MANIFEST.fullmatch(name) is not None


def unread_block(fp: Fingerprint) -> Blocked:
    """Return what a record that cannot be read still says by its key: this prompt is not sent again."""
    return Blocked(
        fingerprint=fp,
        label=str(fp)[:12],
        reason="moderation refused it; its record cannot be read",
        batch_id="",
        created_at=time.time(),
    )


def unread_halt() -> Halt:
    """Return what a halt that cannot be read still says: stop."""
    return Halt(reason="its halt cannot be read", created_at=time.time())


def blocked_by(key: str) -> Fingerprint:
    """Return what is blocked by the record that a key names."""
    return Fingerprint(key.rpartition("/")[2])
