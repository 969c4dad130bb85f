"""A store that is waited for while it is away, whatever kind of store it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from assetmill.errors import AssetmillError, KeyExists, KeyMissing, OutageTooLong, StoreAway
from assetmill.outages import Outage, Outages, clock_time
from assetmill.store.backend import Backend, ObjectHead

T = TypeVar("T")


class WaitingBackend:
    """Asks a store again while it is away; every verb may be repeated, because nothing is written twice.

    Only `StoreAway` is waited for: a refusal stays a refusal.
    """

    def __init__(self, backend: Backend, outages: Outages) -> None:
        self._backend, self._limit_s = backend, outages.limit_s
        self.name = backend.name
        self._outage: Outage = outages.of("store", f"the store {backend.name}")

    @property
    def waits_for(self) -> Backend:
        """The store itself, for what a person does once and is not waited for."""
        return self._backend

    @property
    def requests(self) -> int:
        """How many requests the store was sent, repeats too."""
        return self._backend.requests

    def put(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> None:
        """Store `data`, replacing what was there."""
        self._patiently(lambda: self._backend.put(key, data, media_type=media_type))

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        """Store `data` if nothing is there yet.

        A try whose answer was lost may have been carried out: what it left is one's own, and no loss.

        Raises:
            KeyExists: something else is there already.
        """
        tries: list[None] = []

        def attempt() -> None:
            tries.append(None)
            self._backend.create(key, data, media_type=media_type)

        try:
            self._patiently(attempt)
        except KeyExists:
            if len(tries) == 1 or not self._holds(key, data):
                raise

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        return self._patiently(lambda: self._backend.get(key))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return at most `length` bytes from offset `start`."""
        return self._patiently(lambda: self._backend.get_range(key, start, length))

    def head(self, key: str) -> ObjectHead | None:
        """Return what is known of the object, None when nothing is there."""
        return self._patiently(lambda: self._backend.head(key))

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        """Yield the objects whose key starts with `prefix`, sorted by key, at most `limit` of them.

        A listing that is cut begins anew and leaves out what it has told.
        """
        waits, last, told = self._outage.waits(), "", 0
        while True:
            try:
                for head in self._backend.list(prefix, limit):
                    if head.key > last and (limit is None or told < limit):
                        last, told = head.key, told + 1
                        yield head
            except StoreAway as error:
                if not self._outage.is_waited_for or not waits.goes_on(error):
                    raise self._too_long(error) from error
                self._outage.pause(waits.pause_s())
            else:
                return self._outage.over()

    def delete(self, key: str) -> None:
        """Remove the object; absent is fine."""
        self._patiently(lambda: self._backend.delete(key))

    def presign(self, key: str, expires_s: int) -> str:
        """Return a URL that reads the object."""
        return self._backend.presign(key, expires_s)

    def close(self) -> None:
        """Release connections and threads."""
        self._backend.close()

    def _patiently(self, ask: Callable[[], T]) -> T:
        try:
            return self._outage.patiently(ask, _is_away, (KeyExists, KeyMissing))
        except StoreAway as error:
            raise self._too_long(error) from error

    def _too_long(self, error: StoreAway) -> StoreAway | OutageTooLong:
        since = self._outage.since
        if not self._outage.is_waited_for or since is None:
            return error
        return OutageTooLong(
            f"{error}; it was waited for since {clock_time(since)}, as long as run.outage_s says "
            f"({self._limit_s:.0f} s). What was paid for is kept: when it is back, run the same again"
        )

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return self.get(key) == data
        except KeyMissing:
            return False


def _is_away(error: AssetmillError) -> bool:
    return isinstance(error, StoreAway)
