"""What lies under a key: which kind of record, and whether what is there is that record and no other's.

A key of no known shape is a stray: nothing of ours wrote it, nothing reads it, and nothing fails for it.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from assetmill.records import (
    Harvest,
    Intent,
    Receipt,
    RunManifest,
    RunStart,
    StageRecord,
    Stored,
    TurnCost,
    Verdict,
)
from assetmill.store import layout

R = TypeVar("R", bound=Stored)
_STAGE = r"[0-9a-f]{8}/[a-z2-7]{52}"
_RUN = r"[A-Za-z0-9_.-]+"
RUN_ID = re.compile(_RUN)


@dataclass(frozen=True)
class Kind:
    """A kind of object: its name, the shape of its keys, and its model; None where it is no record."""

    title: str
    shape: re.Pattern[str]
    model: type[Stored] | None


def _kind(title: str, shape: str, model: type[Stored] | None) -> Kind:
    return Kind(title, re.compile(rf"v1/{shape}"), model)


KINDS = (
    _kind("stage record", rf"s/{_STAGE}", StageRecord),
    _kind("verdict", rf"x/{_STAGE}\.\d+", Verdict),
    _kind("intent", rf"i/{_STAGE}\.\d+\.\d+", Intent),
    _kind("receipt", rf"c/{_STAGE}\.\d+\.\d+", Receipt),
    _kind("harvest", rf"f/{_STAGE}\.\d+\.\d+(\.[0-9a-f]{{24}})?", Harvest),
    _kind("turn cost", rf"o/{_STAGE}\.\d+\.\d+", TurnCost),
    _kind("raw response", rf"w/{_STAGE}\.\d+\.\d+", None),
    _kind("run start", rf"r/{_RUN}/start", RunStart),
    _kind("manifest", rf"r/{_RUN}/manifest", RunManifest),
    _kind("head", r"h/[0-9a-f]{8}/[0-9a-f]{16}", None),
    _kind("index page", r"k/[0-9a-f]{16}", None),
    _kind("blob", r"b/[0-9a-f]{2}/[0-9a-f]{64}(\.\d+)?", None),
)
_MARKS = {"raw response": "output", "index page": "rows"}
_CHECKED = tuple(f"v1/{letter}/" for letter in "sxicwrhkb")
"""Under these nothing else has a place; other prefixes have keys of more shapes than one."""


class Unreadable(ValueError):
    """What is there is not what its key says."""


def kind_of(key: str) -> Kind | None:
    """Return the kind of object that a key of this shape names."""
    return next((kind for kind in KINDS if kind.shape.fullmatch(key)), None)


def is_stray(key: str) -> bool:
    """Whether nothing of ours can have written this key."""
    return kind_of(key) is None and (key.startswith(_CHECKED) or not key.startswith(layout.PREFIXES))


def parse(key: str, data: bytes) -> Stored | None:
    """Return the record that a key names; None where the kind has no model, and its text is sound.

    Raises:
        Unreadable: it cannot be read, or is another's.
    """
    kind = kind_of(key)
    if kind is None:
        return None
    if kind.model is not None:
        record = validated(kind.model, data)
        if not belongs(key, record):
            raise Unreadable(f"it is the {kind.title} of something else")
        return record
    if kind.title == "head":
        if not RUN_ID.fullmatch(data.decode(errors="replace")):
            raise Unreadable("it names no run")
    elif kind.title != "blob":
        try:
            found = json.loads(_unpacked(data))
        except ValueError as error:
            raise Unreadable(f"it is no JSON: {error}") from error
        if not isinstance(found, dict) or _MARKS[kind.title] not in found:
            raise Unreadable(f"it has no {_MARKS[kind.title]!r}, as every {kind.title} has")
    return None


def validated(model: type[R], data: bytes) -> R:
    """Return a record from its stored bytes, compressed or not.

    Raises:
        Unreadable: they are not such a record.
    """
    try:
        return model.model_validate_json(_unpacked(data))
    except ValidationError as error:
        raise Unreadable(str(error).splitlines()[0][:300]) from error


def belongs(key: str, record: Stored) -> bool:
    """Whether a record lies under the key that it must lie under."""
    if isinstance(record, StageRecord):
        return key == layout.stage(record.pipeline, record.fingerprint)
    if isinstance(record, RunManifest):
        return key == layout.run_manifest(record.run_id)
    if isinstance(record, RunStart):
        return key == layout.run_start(record.run_id)
    if isinstance(record, Intent):
        return key.endswith(f".{record.attempt:03d}.{record.turn:03d}")
    return True


def _unpacked(data: bytes) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"it cannot be unpacked: {error}") from error
