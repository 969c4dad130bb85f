"""What a repair tells of one object, and the two ways in which it changes one; nothing is thrown away."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from assetmill.errors import KeyExists, KeyMissing, StoreError
from assetmill.records import RunManifest, RunStart
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.opening import StoreMeta, is_of_another_version

State = Literal["mended", "aside", "lost", "made_again", "stray", "newer"]
"""`aside`: unreadable, and the next run finds out anew. `lost`: a person decides. `stray`: not ours.

`newer`: whole, and only a newer version can read it.
"""


@dataclass(frozen=True)
class Repaired:
    """What became of one object that was not as it must be."""

    state: State
    key: str
    what: str
    message: str


def set_aside(backend: Backend, key: str) -> None:
    """Move what lies under a key to where no reader of ours looks."""
    try:
        backend.put(layout.aside(key, uuid.uuid4().hex[:8]), backend.get(key))
    except KeyMissing:
        return
    backend.delete(key)


def mend_mark(backend: Backend) -> Repaired | None:
    """Set the mark of the store aside where it is damaged; without one it is probed as at its first use.

    None when nothing is wrong with it, or only another version can tell.
    """
    try:
        data = backend.get(layout.STORE_META)
    except KeyMissing:
        return None
    try:
        StoreMeta.model_validate_json(data)
    except ValidationError:
        if is_of_another_version(data):
            return None
        set_aside(backend, layout.STORE_META)
        return Repaired("mended", layout.STORE_META, "mark of the store", "the store is probed anew")
    return None


def replace(backend: Backend, key: str, data: bytes) -> None:
    """Put a record where one is missing or unreadable; what is there is set aside first.

    Raises:
        StoreError: another process has written there meanwhile.
    """
    set_aside(backend, key)
    try:
        backend.create(key, data)
    except KeyExists as error:
        raise StoreError(f"{key} was written meanwhile: repair again") from error


def start_of(manifest: RunManifest) -> RunStart:
    """Return the beginning of a run by its end: a run is listed by its beginning."""
    return RunStart(
        run_id=manifest.run_id,
        pipeline=manifest.pipeline,
        parameters=manifest.parameters,
        profile=manifest.profile,
        spec_digest=manifest.spec_digest,
        spec_path="",
        stages=tuple((entry.stage, entry.variant) for entry in manifest.stages),
        started_at=manifest.started_at,
    )
