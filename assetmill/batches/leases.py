"""Leases in the store: who has something in hand, taken by whoever creates its record first.

A lease that was given back is gone; one whose holder has died is overruled by its next generation. They give
progress, never safety: should a holder that was thought dead be alive, the money protocol keeps two from
paying.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from assetmill.errors import KeyExists, KeyMissing
from assetmill.store.backend import Backend

BEATLESS_S = 60.0
"""A holder that has said that it is alive and does not any more is dead; a store that is slow is not."""

UNHEARD_S = 20.0
"""A holder has said so before it takes anything; a listing may lag behind."""

_LEASE = re.compile(r"(?P<name>[a-z0-9.]+)\.(?P<generation>\d{2})$")
END = ".end"


@dataclass
class Held:
    """What is leased, by its newest generation, and what is over."""

    generations: dict[str, int] = field(default_factory=dict[str, int])
    ended: set[str] = field(default_factory=set[str])


class Leases:
    """The leases under one prefix, for one holder. Safe for threads: it holds nothing but names."""

    def __init__(self, backend: Backend, prefix: str, holder: str) -> None:
        self._backend, self._prefix, self.holder = backend, prefix, holder

    def take(self, name: str, generation: int = 0) -> bool:
        """Take a lease; False when somebody else has it."""
        key, mine = self._key(name, generation), self.holder.encode()
        try:
            self._backend.create(key, mine, media_type="text/plain")
        except KeyExists:
            # A lost reply makes one's own write look like another's.
            return self.holder_of(name, generation) == self.holder
        return True

    def give_back(self, name: str, generation: int) -> None:
        """Let somebody else have it at once."""
        self._backend.delete(self._key(name, generation))

    def end(self, name: str) -> None:
        """Note that nobody need ever have it again."""
        with suppress(KeyExists):
            self._backend.create(f"{self._prefix}{name}{END}", b"", media_type="text/plain")

    def held(self) -> Held:
        """Return everything that is leased or over: one request for a thousand."""
        found = Held()
        for entry in self._backend.list(self._prefix):
            name = entry.key.removeprefix(self._prefix)
            if name.endswith(END):
                found.ended.add(name.removesuffix(END))
            elif lease := _LEASE.fullmatch(name):
                newest = max(int(lease["generation"]), found.generations.get(lease["name"], 0))
                found.generations[lease["name"]] = newest
        return found

    def holder_of(self, name: str, generation: int) -> str:
        """Return who has a lease, "" when nobody does any more."""
        try:
            return self._backend.get(self._key(name, generation)).decode(errors="replace")
        except KeyMissing:
            return ""

    def _key(self, name: str, generation: int) -> str:
        return f"{self._prefix}{name}.{generation:02d}"


class Silence:
    """How long holders have not been heard of, by this machine's own clock: clocks differ."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[int | None, float]] = {}

    def is_dead(self, holder: str, beat: int | None, unheard_s: float = UNHEARD_S) -> bool:
        """Note the newest heartbeat of a holder, None where it has none, and say whether it is dead.

        `unheard_s` is the patience with one that has none: it has ended, or was never there.
        """
        now = self._clock()
        known = self._heard.get(holder)
        if known is None or known[0] != beat:
            self._heard[holder] = known = (beat, now)
        return now - known[1] > (unheard_s if beat is None else max(unheard_s, BEATLESS_S))
