"""The newest attempt at a stage, as the records of its turns show it."""

from __future__ import annotations

import itertools
import operator
from typing import NamedTuple

from assetmill.errors import StoreError
from assetmill.fingerprint import Fingerprint
from assetmill.records import Intent, Receipt, Verdict
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.kinds import is_stray
from assetmill.store.record_objects import REPAIR, RecordObjects


class Turn(NamedTuple):
    """One call of an attempt: intended, and perhaps known to the service."""

    intent: Intent
    receipt: Receipt | None


class Attempt(NamedTuple):
    """The newest attempt at a stage. Without a verdict it may still run."""

    number: int
    turns: tuple[Turn, ...]
    verdict: Verdict | None


def newest_attempt(
    backend: Backend, records: RecordObjects, pipeline: str, fp: Fingerprint
) -> Attempt | None:
    """Return the newest attempt at a stage, None when nothing was ever intended.

    Three questions tell that a stage is new, and nothing is listed: a store may hold ten thousand others.

    Raises:
        StoreError: what was intended is lost, while what came of it is there.
    """
    # A second attempt needs a verdict on the first, and a second turn the first one's receipt.
    if records.read(layout.verdict(pipeline, fp, 1), Verdict) is None:
        return _first(records, pipeline, fp)
    listed = (entry.key for entry in backend.list(layout.intents(pipeline, fp)))
    numbers = [_numbers(key) for key in listed if not is_stray(key)]
    if not numbers:
        return None
    newest = max(attempt for attempt, _ in numbers)
    turns = [_turn(records, pipeline, fp, newest, turn) for attempt, turn in numbers if attempt == newest]
    verdict = records.read(layout.verdict(pipeline, fp, newest), Verdict)
    return Attempt(newest, tuple(turns), verdict)


def all_attempts(
    backend: Backend, records: RecordObjects, pipeline: str, fp: Fingerprint
) -> tuple[Attempt, ...]:
    """Return every attempt at a stage, the first one first.

    Raises:
        StoreError: what was listed cannot be read.
    """
    listed = (entry.key for entry in backend.list(layout.intents(pipeline, fp)))
    numbers = sorted(_numbers(key) for key in listed if not is_stray(key))
    return tuple(
        Attempt(
            attempt,
            tuple(_turn(records, pipeline, fp, attempt, turn) for _, turn in turns),
            records.read(layout.verdict(pipeline, fp, attempt), Verdict),
        )
        for attempt, turns in itertools.groupby(numbers, key=operator.itemgetter(0))
    )


def _first(records: RecordObjects, pipeline: str, fp: Fingerprint) -> Attempt | None:
    """Return the first attempt, which has no verdict yet."""
    turns: list[Turn] = []
    for number in itertools.count(1):
        key = layout.intent(pipeline, fp, 1, number)
        intent = records.read(key, Intent)
        receipt = records.read(layout.receipt(pipeline, fp, 1, number), Receipt)
        if intent is not None:
            turns.append(Turn(intent, receipt))
        elif receipt is not None:
            raise StoreError(f"{key} is lost and its receipt {receipt.response_id} is there; {REPAIR}")
        if intent is None or receipt is None:
            break
    return Attempt(1, tuple(turns), None) if turns else None


def _turn(records: RecordObjects, pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> Turn:
    intent = records.read(layout.intent(pipeline, fp, attempt, turn), Intent)
    if intent is None:
        raise StoreError(f"intent {attempt}.{turn} of {fp} was listed and cannot be read")
    return Turn(intent, records.read(layout.receipt(pipeline, fp, attempt, turn), Receipt))


def _numbers(key: str) -> tuple[int, int]:
    """Return attempt and turn of an intent's key."""
    _, attempt, turn = key.rsplit(".", 2)
    return int(attempt), int(turn)
