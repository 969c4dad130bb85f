"""Whether a store still holds what its records promise: every blob, and every entry of the index.

Reads one object at a time and changes nothing, save that the index may be compacted as any reader would do;
so it may run beside everything else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from assetmill.care.references import Marked, unpacked
from assetmill.errors import KeyMissing, NotFound, StoreError
from assetmill.fingerprint import Digest, digest
from assetmill.records import (
    AssetRecord,
    BlobRef,
    Harvest,
    Replies,
    RunId,
    RunManifest,
    StageRecord,
    Stored,
    Verdict,
)
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.index import Index
from assetmill.store.kinds import RUN_ID, Unreadable, is_stray, parse, validated
from assetmill.store.ledger import Ledger

_ABSENT = "it is not there"
_FOLD_AT = 4096

ProblemKind = Literal["unreadable", "missing", "damaged", "purged", "given_up", "lost", "dangling"]
"""`unreadable`: a record. `missing`, `damaged`, `purged`: a blob. `lost`: an asset of the index that no
record holds. `dangling`: a head that names no run. `given_up`: a lost blob that a repair has settled."""


@dataclass(frozen=True)
class StoreProblem:
    """One thing that is not as a record says. What was purged on purpose is told and is no fault."""

    kind: ProblemKind
    key: str
    what: str
    message: str

    @property
    def is_fault(self) -> bool:
        """Whether something is wrong with the store."""
        return self.kind not in {"purged", "given_up"}


@dataclass
class Verifier:
    """Goes through a store once. The counts grow as `problems` is read."""

    backend: Backend
    only_sizes: bool = False
    records: int = 0
    blobs: int = 0
    size_bytes: int = 0
    index_entries: int = 0

    def __post_init__(self) -> None:
        self._ledger = Ledger(self.backend)
        self._seen = Marked()
        self._latest: set[str] = set()

    def problems(self) -> Iterator[StoreProblem]:
        """Yield what is wrong, as it is found.

        Raises:
            StoreUnavailable: the store refused; nothing is said about what it did not show.
        """
        for prefix, model in _MODELS.items():
            for entry in self.backend.list(prefix):
                if not is_stray(entry.key):
                    yield from self._record(entry.key, model)
        yield from self._manifests()
        yield from self._raw_responses()
        yield from self._heads()
        yield from self._index()

    def _record(self, key: str, model: type[Stored]) -> Iterator[StoreProblem]:
        record = self._read(key, model)
        if isinstance(record, StoreProblem):
            yield record
        elif record is not None:
            self.records += 1
            for name, ref in _refs(record):
                yield from self._blob(key, name, ref)

    def _manifests(self) -> Iterator[StoreProblem]:
        for entry in self.backend.list(layout.RUNS):
            if entry.key.endswith("/manifest") and not is_stray(entry.key):
                yield from self._record(entry.key, RunManifest)

    def _raw_responses(self) -> Iterator[StoreProblem]:
        """What was drawn is named by digest alone in a raw response, also when its stage never ended."""
        for entry in self.backend.list(layout.RAW):
            if is_stray(entry.key):
                continue
            try:
                data = unpacked(self.backend.get(entry.key))
                shas = _pictures(data)
            except (ValueError, KeyMissing) as error:
                yield StoreProblem("unreadable", entry.key, "raw response", str(error))
                continue
            self.records += 1
            for sha in shas:
                yield from self._blob(entry.key, "a picture", Digest(f"sha256:{sha}"))

    def _read(self, key: str, model: type[Stored]) -> Stored | StoreProblem | None:
        try:
            data = self.backend.get(key)
            parse(key, data)
            return validated(model, data)
        except KeyMissing:
            return None
        except Unreadable as error:
            first = str(error).splitlines()[0]
            return StoreProblem("unreadable", key, model.__name__, first[:300])

    def _blob(self, key: str, name: str, ref: BlobRef | Digest) -> Iterator[StoreProblem]:
        """Look at a blob the first time that a record names it."""
        wanted = ref.digest if isinstance(ref, BlobRef) else ref
        size = ref.size_bytes if isinstance(ref, BlobRef) else None
        sha = wanted.removeprefix("sha256:")
        if not _is_sha(sha):
            yield StoreProblem("unreadable", key, name, f"{wanted[:80]!r} is no digest")
            return
        if self._is_known(sha):
            return
        self.blobs += 1
        found = self._state(wanted, size)
        if found is not None:
            kind, message = found
            yield StoreProblem(kind, key, name, f"{wanted}: {message}")

    def _is_known(self, sha: str) -> bool:
        if sha in self._latest or sha in self._seen:
            return True
        # Folded in by thousands, because looking into the compact set sorts it.
        self._latest.add(sha)
        if len(self._latest) >= _FOLD_AT:
            self._seen.add(self._latest)
            self._latest.clear()
        return False

    def _state(self, wanted: Digest, size: int | None) -> tuple[ProblemKind, str] | None:
        fault = self._fault(layout.blob(wanted), wanted, size)
        if fault is None:
            return None
        for beside in list(self.backend.list(layout.blobs_beside(wanted))):
            if self._fault(beside.key, wanted, size) is None:
                return None
        if fault != _ABSENT:
            return "damaged", fault
        if self.backend.head(layout.tombstone(wanted)):
            return "purged", "purged on purpose"
        if self.backend.head(layout.lost(wanted)):
            return "given_up", "lost, as a person has said"
        return "missing", fault

    def _fault(self, key: str, wanted: Digest, size: int | None) -> str | None:
        """Return what is wrong with a blob's object, None when it is whole."""
        if self.only_sizes:
            head = self.backend.head(key)
            if head is None:
                return _ABSENT
            self.size_bytes += head.size_bytes
            return _size_fault(head.size_bytes, size)
        try:
            data = self.backend.get(key)
        except KeyMissing:
            return _ABSENT
        self.size_bytes += len(data)
        if digest(data) != wanted:
            return f"{key} holds {len(data)} bytes of another digest"
        return _size_fault(len(data), size)

    def _heads(self) -> Iterator[StoreProblem]:
        for entry in self.backend.list(layout.HEADS):
            if is_stray(entry.key):
                continue
            run_id = RunId(self.backend.get(entry.key).decode(errors="replace"))
            if not RUN_ID.fullmatch(run_id):
                yield StoreProblem("unreadable", entry.key, "head", "it names no run")
            elif self.backend.head(layout.run_manifest(run_id)) is None:
                yield StoreProblem(
                    "dangling", entry.key, "head", f"it names run {run_id}, which is not there"
                )

    def _index(self) -> Iterator[StoreProblem]:
        try:
            rows = Index(self.backend, self._ledger).rows
        except StoreError as error:
            yield StoreProblem("unreadable", layout.INDEX, "index", str(error))
            return
        for row in rows.values():
            self.index_entries += 1
            try:
                asset = self._ledger.read_asset(row.asset_id)
            except (ValueError, StoreError, NotFound):
                asset = None
            is_same = asset is not None and asset.blob.digest == row.digest
            if not is_same and self.backend.head(layout.lost(row.digest)):
                yield StoreProblem("given_up", row.asset_id, "asset", "lost, as a person has said")
            elif asset is None:
                yield StoreProblem("lost", row.asset_id, "asset", "no stage record holds it")
            elif asset.blob.digest != row.digest:
                message = f"its record names {asset.blob.digest}, the index {row.digest}"
                yield StoreProblem("lost", row.asset_id, "asset", message)


_MODELS: dict[str, type[Stored]] = {
    layout.STAGES: StageRecord,
    layout.VERDICTS: Verdict,
    layout.HARVESTS: Harvest,
    layout.REPLIES: Replies,
}


def _refs(record: Stored) -> Iterator[tuple[str, BlobRef]]:
    """Yield the blobs that a record promises, each with a name that a person knows."""
    if isinstance(record, StageRecord):
        yield from _named(record.outputs)
    elif isinstance(record, RunManifest):
        yield from _named(record.assets())
    elif isinstance(record, Verdict):
        yield from _named(record.kept)
    elif isinstance(record, Harvest):
        yield from ((file.name, file.blob) for file in record.files)
    elif isinstance(record, Replies):
        yield from (("a screenshot", blob) for blob in record.screenshots)


def _named(assets: tuple[AssetRecord, ...]) -> Iterator[tuple[str, BlobRef]]:
    yield from ((f"{asset.name} ({asset.asset_id})", asset.blob) for asset in assets)


def _pictures(data: bytes) -> list[str]:
    """Return the digests by which a raw response names its pictures."""
    found: list[str] = []
    for item in _list(_map(json.loads(data)).get("output")):
        blob = _map(_map(item).get("result")).get("blob")
        if isinstance(blob, str):
            found.append(blob.removeprefix("sha256:"))
    return found


def _map(value: object) -> Mapping[str, object]:
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return cast(list[object], value) if isinstance(value, list) else []


def _is_sha(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


def _size_fault(found: int, wanted: int | None) -> str | None:
    return None if wanted is None or found == wanted else f"it has {found} bytes, not {wanted}"
