"""Records as objects: read and checked, created once, told when they cannot be read."""

from __future__ import annotations

import gzip
import logging
from typing import TypeVar

from pydantic import ValidationError

from assetmill.errors import KeyExists, KeyMissing, StoreError, StoreUnavailable
from assetmill.records import Stored
from assetmill.redaction import redact_known
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.kinds import Newer, Unreadable, is_stray, kind_of, unpacked, validated

_log = logging.getLogger("assetmill.store")
TRIED = 8
"""What cannot be read is passed over for the one before; all come in one listing."""
REPAIR = "`assetmill repair` says what can be done"

_FAR_NS = 2**63
"""Two centuries ahead: a key that says so is no clock's mistake, and nothing is put behind it."""

R = TypeVar("R", bound=Stored)


class RecordObjects:
    """Reads and creates records under their keys. Safe for threads; holds only what it has told."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._told: set[str] = set()

    def read(self, key: str, model: type[R]) -> R | None:
        """Return a record, None when nothing is there.

        Raises:
            StoreError: what is there is not that record.
        """
        try:
            data = self._backend.get(key)
        except KeyMissing:
            return None
        kind = kind_of(key)
        try:
            record = validated(model, data)
        except Newer as error:
            raise StoreError(f"{key} in {self._backend.name}: {error}") from error
        except Unreadable as error:
            what = f"{key} in {self._backend.name} is not a {model.__name__}"
            raise StoreError(f"{what}: {error}; {REPAIR}") from error
        if kind and not kind.belongs(key, record):
            what = f"{key} in {self._backend.name} holds the {model.__name__} of something else"
            raise StoreError(f"{what}; {REPAIR}")
        return record

    def read_or_warn(self, key: str, model: type[R]) -> R | None:
        """Return a record of many; one that cannot be read is told, once, and left out."""
        if is_stray(key):
            return None
        try:
            return self.read(key, model)
        except StoreUnavailable:
            raise
        except StoreError as error:
            self.warn(key, str(error))
            return None

    def time_for(self, prefix: str, time_ns: int) -> int:
        """Return the time under which a record is the newest of a prefix: never before one that is there.

        The clock of whoever wrote that one may have been ahead by hours, or that of this machine be behind.
        """
        keys = (entry.key for entry in self._backend.list(prefix, limit=TRIED))
        found = [time for key in keys if (time := layout.time_of(key)) and time < _FAR_NS]
        return max([time_ns, *(time + 1 for time in found)])

    def newest(self, prefix: str, model: type[R]) -> R | None:
        """Return the first record under a prefix that can be read: of those named by time, the newest."""
        entries = self._backend.list(prefix, limit=TRIED)
        return next((found for entry in entries if (found := self.read_or_warn(entry.key, model))), None)

    def read_json(self, key: str) -> bytes:
        """Return what lies under the key of a kind that has no model.

        Raises:
            KeyMissing: nothing.
            StoreError: it is not of that kind.
        """
        data, kind = self._backend.get(key), kind_of(key)
        try:
            if kind:
                kind.check(data)
            return unpacked(data)
        except Unreadable as error:
            raise StoreError(f"{key} in {self._backend.name}: {error}; {REPAIR}") from error

    def warn(self, key: str, reason: str) -> None:
        """Tell once that a record is left out, and why."""
        if key not in self._told:
            self._told.add(key)
            _log.warning("left out: %s", reason if key in reason else f"{key}: {reason}; {REPAIR}")

    def create(self, key: str, record: R, *, compressed: bool = False) -> R:
        """Store a record where nothing is yet, and return the one that is there now.

        A lost reply makes one's own write look like another's: what is read back decides.
        """
        record, text = _redacted(record)
        data = text.encode()
        try:
            self._backend.create(key, gzip.compress(data, mtime=0) if compressed else data)
        except KeyExists:
            stored = self.read(key, type(record))
            if stored is None:
                raise StoreError(f"{key} exists in {self._backend.name} and cannot be read") from None
            return stored
        except StoreUnavailable:
            # A time-out does not say whether the write was applied: what is there does.
            if self.read(key, type(record)) != record:
                raise
        return record


def _redacted(record: R) -> tuple[R, str]:
    """Return a record and its JSON without any known secret."""
    text = record.model_dump_json(exclude_defaults=False)
    clean = redact_known(text)
    if clean == text:
        return record, text
    try:
        return type(record).model_validate_json(clean), clean
    except ValidationError:
        # The secret is a word of ours, as "completed" is. What was paid for must be found again.
        return record, text
