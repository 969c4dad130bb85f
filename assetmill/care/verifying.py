"""Whether a store still holds what its records promise: every blob, and every entry of the index.

Reads one object at a time and changes nothing, save that the index may be compacted as any reader would do;
so it may run beside everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from assetmill.care.kinds import CEILING_LINE, kind_of, parse
from assetmill.care.promises import promised, promised_by_raw
from assetmill.care.references import Marked
from assetmill.care.salvage import LostBytes
from assetmill.errors import KeyMissing, NotFound, StoreError, StoreUnavailable
from assetmill.fingerprint import Digest, digest
from assetmill.money.history import History
from assetmill.money.reading import numbered, read_on
from assetmill.records import RunId
from assetmill.store import layout
from assetmill.store.backend import Backend, ObjectHead
from assetmill.store.index import Index
from assetmill.store.index_rows import read_page
from assetmill.store.kinds import RUN_ID, Kind, Newer, Unreadable, is_stray
from assetmill.store.ledger import Ledger
from assetmill.store.streams import opened

_ABSENT = "it is not there"

ProblemKind = Literal["unreadable", "newer", "missing", "damaged", "purged", "given_up", "lost", "dangling"]
"""`unreadable`: a record, or what is spent under a ceiling; `newer`: only a newer version can read it.
`missing`, `damaged`, `purged`: a blob. `lost`: an asset of the index that no record holds. `dangling`: a head
that names no run. `given_up`: a lost blob that a repair has settled."""


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

    @property
    def objects(self) -> int:
        """How many objects it has read so far."""
        return self.records + self.blobs

    def problems(self) -> Iterator[StoreProblem]:
        """Yield what is wrong, as it is found.

        Raises:
            StoreUnavailable: the store refused; nothing is said about what it did not show.
        """
        # Stages first: of all that name a blob they say best what it is.
        yield from self._objects(layout.STAGES)
        yield from self._objects(layout.ROOT, but=layout.STAGES)
        yield from self._ceilings()
        yield from self._heads()
        yield from self._index()

    def _objects(self, prefix: str, but: str = "-") -> Iterator[StoreProblem]:
        for entry in self.backend.list(prefix):
            kind = kind_of(entry.key)
            if kind and not kind.is_bytes and kind.title != CEILING_LINE and not entry.key.startswith(but):
                yield from self._object(kind, entry)

    def _object(self, kind: Kind, entry: ObjectHead) -> Iterator[StoreProblem]:
        key, data, record = entry.key, b"", None
        try:
            if key.startswith(layout.INDEX):
                read_page(opened(self.backend, entry))
            else:
                data = self.backend.get(key)
                record = parse(key, data)
        except KeyMissing:
            return  # gone since it was listed
        except Unreadable as error:
            state = "newer" if isinstance(error, Newer) else "unreadable"
            yield StoreProblem(state, key, kind.title, str(error).splitlines()[0][:300])
            return
        self.records += 1
        found = promised_by_raw(data) if kind.title == "raw response" else ()
        for lost in promised(record) if record else found:
            yield from self._blob(key, lost)

    def _ceilings(self) -> Iterator[StoreProblem]:
        for scope in dict.fromkeys(scope for scope, _ in numbered(self.backend, layout.MONEY)):
            history = History(scope)
            try:
                read_on(self.backend, history, is_thorough=True)
            except StoreUnavailable:
                raise
            except StoreError as error:
                key = layout.money_entry(scope, history.count + 1)
                yield StoreProblem("unreadable", key, f"ceiling for {scope}", str(error))

    def _blob(self, key: str, lost: LostBytes) -> Iterator[StoreProblem]:
        """Look at a blob the first time that a record names it."""
        wanted, size = lost.digest, lost.size_bytes
        sha = wanted.removeprefix("sha256:")
        if not _is_sha(sha):
            yield StoreProblem("unreadable", key, lost.what, f"{wanted[:80]!r} is no digest")
            return
        if sha in self._seen:
            return
        self._seen.add([sha])
        self.blobs += 1
        found = self._state(wanted, size)
        if found is not None:
            kind, message = found
            yield StoreProblem(kind, key, lost.what, f"{wanted}: {message}")

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
            if RUN_ID.fullmatch(run_id) and self.backend.head(layout.run_manifest(run_id)) is None:
                yield StoreProblem(
                    "dangling", entry.key, "head", f"it names run {run_id}, which is not there"
                )

    def _index(self) -> Iterator[StoreProblem]:
        try:
            rows = Index(self.backend, self._ledger).rows
        except StoreError as error:
            yield StoreProblem("unreadable", layout.INDEX, "index", str(error))
            return
        for row in rows:
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


def _is_sha(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


def _size_fault(found: int, wanted: int | None) -> str | None:
    return None if wanted is None or found == wanted else f"it has {found} bytes, not {wanted}"
