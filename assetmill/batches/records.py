"""What is stored of a batch: what it is made of, what became of its rows, which prompts are in quarantine."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, cast, overload

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetPydanticSchema
from pydantic_core import CoreSchema, core_schema

from assetmill.fingerprint import Digest, Fingerprint
from assetmill.records import AssetId, BlobRef, RunId, StageStatus, Stored

RowState = Literal[
    "done", "reused", "failed", "in_doubt", "waiting", "rejected", "quarantined", "over_budget", "late",
    "cancelled", "invalid"
]  # fmt: skip
"""`late`: its hour had passed before it could spend. `invalid`: it was never more than a line in a file.
`waiting`: for people. `rejected`: by reviewers, for good."""

BatchStatus = Literal["completed", "incomplete", "stopped", "waiting"]
"""`incomplete`: rows are left that failed or are in quarantine. `stopped`: the account, or a person.
`waiting`: all that is left waits for people."""


class ShardProgress(Stored):
    """How far a shard is, or a batch by its own process, as a heartbeat says.

    What a newer worker says beside is left aside.
    """

    model_config = ConfigDict(extra="ignore")

    run_id: str = ""
    """Of the shard, whose pages bear it too, or of the batch."""
    halt_run: str = ""
    """The run of the batch that it works for."""
    stages: int = 0
    rows: int = 0
    """How many have ended, however they did."""
    done: int = 0
    """How many of them have all that they were to make."""
    spent_usd: float = 0.0
    """What is known to be spent: of what is being paid for nothing is."""
    unknown: int = 0
    """How many ends have a cost that nobody can say; it is not zero."""
    at_work: int = 0
    """How many stages are being paid for."""
    waits: str = ""
    """For what others wait, and until when."""


_NO_ROWS = '"rows":[]'
"""As JSON says it, which no text within JSON says: its quotes are escaped there."""

SETTLED: frozenset[RowState] = frozenset({"done", "reused"})


class BatchAsset(Stored):
    """What a summary shows of an asset; the rest is in its stage's record."""

    asset_id: AssetId
    name: str
    digest: Digest
    media_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None


class BatchStage(Stored):
    """One stage of a row."""

    label: str
    status: StageStatus
    fingerprint: Fingerprint | None = None
    spent_usd: float | None = 0.0
    seconds: float | None = None
    error: str | None = None
    assets: tuple[BatchAsset, ...] = ()
    missing: tuple[str, ...] = ()
    """Names of the outputs that it was to make, when it has not."""

    @property
    def is_done(self) -> bool:
        """Whether the store has what it was to make.

        The error counts too: a batch of old might call a stage reused that had ended with one.
        """
        return self.status in {"done", "reused"} and self.error is None


class BatchRow(Stored):
    """What became of a row. `number` is its line in the file that was given, `key` digests its parameters."""

    number: int
    name: str
    key: str
    state: RowState
    stages: tuple[BatchStage, ...] = ()
    reason: str | None = None
    spent_usd: float | None = 0.0

    @property
    def is_done(self) -> bool:
        """Whether all of it is made: every stage, whatever the row is said to be."""
        return self.state in SETTLED and all(stage.is_done for stage in self.stages)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not made, as `stage: output`; only the stage where its outputs are not known."""
        undone = [stage for stage in self.stages if not stage.is_done]
        return tuple(
            f"{stage.label}: {', '.join(stage.missing)}" if stage.missing else stage.label for stage in undone
        )

    @property
    def assets(self) -> tuple[BatchAsset, ...]:
        """Everything that the row's stages were asked for."""
        return tuple(asset for stage in self.stages for asset in stage.assets)


def pack(row: BatchRow) -> bytes:
    """Return a row as a few hundred bytes: as a model, a row of five pictures takes ten kilobytes."""
    return zlib.compress(row.model_dump_json().encode(), 1)


def unpack(data: bytes) -> BatchRow:
    """Return a packed row."""
    return BatchRow.model_validate_json(zlib.decompress(data))


class PackedRows(Sequence[BatchRow]):
    """Many rows, packed: each is made anew whenever it is looked at, which takes about 10 µs."""

    def __init__(self, rows: Iterable[BatchRow]) -> None:
        self._packed = tuple(map(pack, rows))

    @overload
    def __getitem__(self, index: int) -> BatchRow: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[BatchRow, ...]: ...
    def __getitem__(self, index: int | slice) -> BatchRow | tuple[BatchRow, ...]:
        found = self._packed[index]
        return unpack(found) if isinstance(found, bytes) else tuple(map(unpack, found))

    def __iter__(self) -> Iterator[BatchRow]:
        return map(unpack, self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def texts(self) -> Iterator[str]:
        """Yield each row's JSON."""
        return (zlib.decompress(row).decode() for row in self._packed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedRows | tuple) and tuple(self) == tuple(cast(Iterable[object], other))

    def __hash__(self) -> int:
        return hash(tuple(self))


def _rows_schema(_: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    """Take packed rows as they are, and write rows one by one: as models they are never there all at once."""
    rows = handler(tuple[BatchRow, ...])
    return core_schema.json_or_python_schema(
        rows,
        core_schema.union_schema([core_schema.is_instance_schema(PackedRows), rows], mode="left_to_right"),
        serialization=core_schema.plain_serializer_function_ser_schema(
            iter, return_schema=core_schema.generator_schema(handler(BatchRow)), when_used="json"
        ),
    )


class BatchStart(Stored):
    """What a batch is made of. Every shard reads it; none is given rows as parameters."""

    schema_version: Literal[1] = 1
    batch_id: str
    content: str
    pipeline: str
    spec_path: str
    spec_digest: Digest
    rows: BlobRef
    row_count: int
    created_at: float


class BatchPage(Stored):
    """What became of a group of rows, stored as soon as it is known.

    `traces` says which fingerprint a stage had, by what decides it apart from stages before and by their
    fingerprints: with it the next plan needs no records.
    """

    schema_version: Literal[1] = 1
    batch_id: str
    run_id: RunId
    rows: tuple[BatchRow, ...]
    traces: dict[str, Fingerprint] = Field(default_factory=dict[str, Fingerprint])


class BatchManifest(Stored):
    """Closing record of one run of a batch: every row, and everything a run with nothing new needs."""

    schema_version: Literal[1] = 1
    batch_id: str
    run_id: RunId
    pipeline: str
    spec_digest: Digest
    profile: str
    status: BatchStatus
    reason: str | None = None
    rows: Annotated[Sequence[BatchRow], GetPydanticSchema(_rows_schema)]
    traces: dict[str, Fingerprint]
    spent_usd: float | None
    budget_usd: float | None = None
    started_at: float
    finished_at: float
    flow_run_id: str | None = None

    def pieces(self) -> Iterator[str]:
        """Yield its JSON, a row at a time: that of many rows is megabytes."""
        rows = self.rows
        head, tail = self.model_copy(update={"rows": ()}).model_dump_json().split(_NO_ROWS, 1)
        yield f"{head}{_NO_ROWS[:-1]}"
        texts = rows.texts() if isinstance(rows, PackedRows) else (row.model_dump_json() for row in rows)
        for number, text in enumerate(texts):
            yield f",{text}" if number else text
        yield f"]{tail}"

    def count(self, *states: RowState) -> int:
        """Return how many rows are in one of these states."""
        return sum(row.state in states for row in self.rows)


class Blocked(Stored):
    """A prompt that moderation refused. It is not sent again until somebody asks for it."""

    schema_version: Literal[1] = 1
    fingerprint: Fingerprint
    label: str
    reason: str
    response_id: str | None = None
    batch_id: str
    created_at: float


class Halt(Stored):
    """Why a run of a batch stopped everywhere at once.

    `is_cancel`: somebody wants no more of it, and also what waits ends at once. Else nothing more is begun.
    """

    schema_version: Literal[1] = 1
    reason: str
    created_at: float
    is_cancel: bool = False
