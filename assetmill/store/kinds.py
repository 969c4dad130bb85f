"""What lies under a key: which kind of record, and whether what is there is that record and no other's.

A key of no known shape is a stray: nothing of ours wrote it, nothing reads it, and nothing fails for it.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from assetmill.endpoints import EndpointAbility, EndpointProbe, EndpointRefusal
from assetmill.records import (
    Approval,
    Cancellation,
    Harvest,
    Intent,
    Receipt,
    Replies,
    RunManifest,
    RunStart,
    StageRecord,
    Stored,
    TurnCost,
    Upload,
    Verdict,
)
from assetmill.store import layout

R = TypeVar("R", bound=Stored)
STAGE = r"[0-9a-f]{8}/[a-z2-7]{52}"
TURN = rf"{STAGE}\.\d+\.\d+"
RUN = r"[A-Za-z0-9_.-]+"
RUN_ID = re.compile(RUN)
_PLACE = r"[0-9a-f]{16}"
_TIME = r"[0-9a-f]{16}"


class Unreadable(ValueError):
    """What is there is not what its key says."""


class Newer(Unreadable):
    """A record that a newer version has written: it is whole, and not for this one to judge."""


def _anywhere(key: str, record: Stored) -> bool:
    """Say that a record lies where it must: it does not tell where that is."""
    return True


@dataclass(frozen=True)
class Kind:
    """A kind of object: its name, the shape of its keys, and its model; `check` where it is no record.

    `belongs` says whether a record lies under the key under which it must.
    """

    title: str
    shape: re.Pattern[str]
    model: type[Stored] | None = None
    check: Callable[[bytes], object] = bytes
    belongs: Callable[[str, Any], bool] = _anywhere

    @property
    def is_bytes(self) -> bool:
        """Whether anything may lie there: it is read as it is."""
        return self.model is None and self.check is bytes


def kind(
    title: str,
    shape: str,
    model: type[Stored] | None = None,
    *,
    check: Callable[[bytes], object] = bytes,
    belongs: Callable[[str, Any], bool] = _anywhere,
) -> Kind:
    """Return a kind of the objects whose keys, after `v1/`, have a shape."""
    return Kind(title, re.compile(rf"v1/{shape}"), model, check, belongs)


def _is_of_turn(key: str, intent: Intent) -> bool:
    return key.endswith(f".{intent.attempt:03d}.{intent.turn:03d}")


def _is_of_subject(key: str, approval: Approval) -> bool:
    return key.endswith(layout.subject_of(approval.subject))


def _names_run(data: bytes) -> None:
    if not RUN_ID.fullmatch(data.decode(errors="replace")):
        raise Unreadable("it names no run")


def json_with(mark: str) -> Callable[[bytes], None]:
    """Return a check that bytes are a JSON object which has a field."""

    def check(data: bytes) -> None:
        try:
            found = json.loads(unpacked(data))
        except ValueError as error:
            raise Unreadable(f"it is no JSON: {error}") from error
        if not isinstance(found, dict) or mark not in found:
            raise Unreadable(f"it has no {mark!r}, as every such object has")

    return check


KINDS = (
    kind("stage record", rf"s/{STAGE}", StageRecord,
         belongs=lambda key, r: key == layout.stage(r.pipeline, r.fingerprint)),
    kind("verdict", rf"x/{STAGE}\.\d+", Verdict),
    kind("intent", rf"i/{TURN}", Intent, belongs=_is_of_turn),
    kind("receipt", rf"c/{TURN}", Receipt),
    kind("harvest", rf"f/{TURN}(\.[0-9a-f]{{24}})?", Harvest),
    kind("turn cost", rf"o/{TURN}", TurnCost),
    kind("raw response", rf"w/{TURN}", check=json_with("output")),
    kind("replies", rf"y/{TURN}", Replies),
    kind("approval", rf"a/{STAGE}\.[0-9a-f]{{32}}", Approval, belongs=_is_of_subject),
    kind("upload", rf"u/{_PLACE}/[0-9a-f]{{64}}\.\d+", Upload),
    kind("refusal", rf"e/{_PLACE}/image_(file|call)", EndpointRefusal,
         belongs=lambda key, r: key == layout.refusal(r.endpoint, r.feature)),
    kind("ability", rf"e/{_PLACE}/ability\.[a-z_]+\.{_TIME}", EndpointAbility,
         belongs=lambda key, r: key.startswith(layout.abilities(r.endpoint, r.ability))),
    kind("probe", rf"e/{_PLACE}/probe\.{_TIME}", EndpointProbe,
         belongs=lambda key, r: key.startswith(layout.endpoint_probes(r.endpoint))),
    kind("run start", rf"r/{RUN}/start", RunStart,
         belongs=lambda key, r: key == layout.run_start(r.run_id)),
    kind("cancel of a run", rf"r/{RUN}/cancel", Cancellation),
    kind("manifest", rf"r/{RUN}/manifest", RunManifest,
         belongs=lambda key, r: key == layout.run_manifest(r.run_id)),
    kind("head", rf"h/[0-9a-f]{{8}}/{_TIME}", check=_names_run),
    kind("index page", rf"k/{_TIME}"),
    kind("blob", r"b/[0-9a-f]{2}/[0-9a-f]{64}(\.\d+)?"),
)  # fmt: skip
_CHECKED = tuple(f"v1/{letter}/" for letter in "sxicfowyauerhkb")
"""Under these nothing else has a place; what lies under the others is known to the rooms that write it."""


def kind_of(key: str) -> Kind | None:
    """Return the kind of object that a key of this shape names."""
    return next((kind for kind in KINDS if kind.shape.fullmatch(key)), None)


def is_stray(key: str) -> bool:
    """Whether nothing of ours can have written this key."""
    return kind_of(key) is None and (key.startswith(_CHECKED) or not key.startswith(layout.PREFIXES))


def parse(kind: Kind, key: str, data: bytes) -> Stored | None:
    """Return the record that a key of a kind names; None where the kind has no model, and it is sound.

    Raises:
        Unreadable: it cannot be read, or is another's.
    """
    if kind.model is None:
        kind.check(data)
        return None
    record = validated(kind.model, data)
    if not kind.belongs(key, record):
        raise Unreadable(f"it is the {kind.title} of something else")
    return record


def validated(model: type[R], data: bytes) -> R:
    """Return a record from its stored bytes, compressed or not.

    Raises:
        Newer: they are one that a newer version has written.
        Unreadable: they are not such a record.
    """
    try:
        return model.model_validate_json(unpacked(data))
    except ValidationError as error:
        if version := _newer(error):
            raise Newer(f"a newer assetmill has written it ({version}): use that version") from error
        raise Unreadable(str(error).splitlines()[0][:300]) from error


def _newer(error: ValidationError) -> str:
    """Return what shows that a record is whole and of a newer version, "" when nothing does."""
    found = error.errors(include_url=False)
    for one in found:
        version: object = one["input"]
        if one["loc"] == ("schema_version",) and isinstance(version, int) and version > 1:
            return f"schema {version}"
    if all(one["type"] == "extra_forbidden" for one in found):
        return f"field {found[0]['loc'][-1]}"
    return ""


def unpacked(data: bytes) -> bytes:
    """Return a record's text, whether it is stored compressed or not.

    Raises:
        Unreadable: it is damaged.
    """
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"it cannot be unpacked: {error}") from error
