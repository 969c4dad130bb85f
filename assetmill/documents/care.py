"""What commands print that keep a store in order."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from typing import Literal

from assetmill.documents.models import Json, JsonDocument


class CollectedDocument(JsonDocument):
    """What `gc` did or would do."""

    phase: str
    dry_run: bool
    plan: int | None
    objects: int
    size_bytes: int
    spared: int
    ready_at: float | None
    held_by: str | None
    keys: list[str]


class CancelledDocument(JsonDocument):
    """`assetmill cancel`: what was called off."""

    name: str
    kind: Literal["run", "batch"]


class StoreCopiedDocument(JsonDocument):
    """What one store lacked of another; `differing` are keys under which it holds something else."""

    source: str
    target: str
    copied: int
    size_bytes: int
    there: int
    vanished: int
    differing: list[str]


class ReapedDocument(JsonDocument):
    """What was left on the service."""

    deleted: bool
    leftovers: list[Json]


class VerifiedDocument(JsonDocument):
    """Whether the store is whole."""

    status: Literal["damaged", "whole"]
    records: int
    blobs: int
    size_bytes: int
    index_entries: int
    faults: int
    purged: int
    problems: list[Json]


class RepairedDocument(JsonDocument):
    """What `repair` mended, set aside or found lost; `counts` by state."""

    status: Literal["damaged", "whole"]
    counts: dict[str, int]
    objects: list[Json]
