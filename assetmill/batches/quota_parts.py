"""Quotas that the workers of a batch share by what each really uses: parts are leased, and given back unused.

A part that goes from one worker to another was not used in the last minute, so that the service, whose minute
slides, never sees more than the whole quota. Who wants more than is free says so in the store: then nobody
keeps more than as many want it, and a worker that comes late is not left without.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from assetmill.agents.pacing import LENT_AGAIN_S, WINDOW_S
from assetmill.batches.leases import Held, Leases, Silence
from assetmill.batches.work import RowWorker
from assetmill.errors import RunStopped, StoreError
from assetmill.fingerprint import short_key
from assetmill.store import batch_layout

PARTS = 240
"""The most parts of a quota: of a smaller one each is a request."""

RESERVE = 0.1
"""This much of a quota a worker keeps that has rows in hand: its next request need not wait for a lease.

Where no part is free, somebody may wait for just this one: then nothing is kept that is not used.
"""

_SCARCE_TICKS = 8
"""How seldom somebody who keeps parts looks whether others want for them: a listing."""

_LOOK_TICKS = 40
"""How seldom somebody who has all parts looks whether others want some."""

_CONTENT_TICKS = 240
"""Who has not wanted more for so long, a minute, says so no longer."""

_SEARCH_TICKS = 40
"""How seldom somebody who wants more looks for parts of the dead: a request for each part that is leased."""

_log = logging.getLogger("assetmill.quota")


class QuotaParts:
    """One worker's parts of the quotas of a batch. Used by one thread."""

    def __init__(self, work: RowWorker, is_busy: Callable[[], bool], silence: Silence | None = None) -> None:
        batch = work.batch
        self._work, self._is_busy, self._silence = work, is_busy, silence or Silence()
        self._pacer = batch.services.pacer
        prefix = batch_layout.quota_leases(batch.batch_id, work.halt_run)
        self._leases = Leases(batch.services.backend, prefix, work.flow_run_id)
        self._mine: dict[str, dict[str, int]] = {}
        self._counts: dict[str, int] = {}
        self._scarce: set[str] = set()
        self._most: dict[str, int] = {}
        self._left_free: dict[str, frozenset[str]] = {}
        self._wished_at: dict[str, int] = {}
        self._ticks = 0
        self._pacer.borrow()

    def tick(self) -> None:
        """Take what is wanted and free, give back what is not used."""
        self._ticks += 1
        for deployment, a_minute in self._pacer.limited().items():
            # All workers must cut alike: what the service says later of its limits does not change it.
            count = self._counts.setdefault(deployment, parts_of(a_minute))
            if unmet := self._pacer.unmet(deployment):
                self._take(deployment, math.ceil(unmet * count - 1e-9))
            else:
                kept = RESERVE if self._is_busy() and not self._is_scarce(deployment) else 0.0
                self._drop(deployment, int(max(0.0, self._pacer.unused(deployment) - kept) * count + 1e-9))
                self._be_content(deployment)
            self._yield(deployment)

    def close(self) -> None:
        """Give back what was not used; the rest is free when the minute is over in which it was."""
        for deployment in self._mine:
            self._drop(deployment, self._counts[deployment])
        for deployment in list(self._wished_at):
            self._take_back_wish(deployment)

    def _is_scarce(self, deployment: str) -> bool:
        """Say whether all parts were leased when somebody looked last; one who has some not used looks."""
        if self._mine.get(deployment) and self._ticks % _SCARCE_TICKS == 0 and self._pacer.unused(deployment):
            self._note(deployment, len(self._names(deployment) - self._leases.held().generations.keys()))
        return deployment in self._scarce

    def _note(self, deployment: str, free: int) -> None:
        if free > 0:
            self._scarce.discard(deployment)
        else:
            self._scarce.add(deployment)

    def _names(self, deployment: str) -> set[str]:
        return {quota_part(deployment, number) for number in range(self._counts[deployment])}

    def _take(self, deployment: str, wanted: int) -> None:
        mine, count = self._mine.setdefault(deployment, {}), self._counts[deployment]
        if len(mine) == count and self._ticks % _LOOK_TICKS:
            return
        held = self._leases.held()
        names = sorted(self._names(deployment))
        free = [name for name in names if name not in held.generations]
        self._note(deployment, len(free) - wanted)
        self._most[deployment] = most = self._fair(deployment, held, free)
        taken = [name for name in free[: max(0, min(wanted, most - len(mine)))] if self._leases.take(name)]
        mine.update(dict.fromkeys(taken, 0))
        if len(taken) < wanted:
            self._wish(deployment)
            if self._ticks % _SEARCH_TICKS == 0:
                self._inherit(deployment, held)
        self._pacer.lend(deployment, min(len(mine), most) / count)

    def _fair(self, deployment: str, held: Held, free: list[str]) -> int:
        """Return how many parts this worker may have: all, unless others want them too and take them."""
        own = _wish_of(deployment, self._leases.holder)
        others = sum(_is_wish(name, deployment) and name != own for name in held.generations)
        # What was free when looked for last, and is still, nobody takes: its wisher may be dead.
        untaken = self._left_free.get(deployment, frozenset()) & set(free)
        self._left_free[deployment] = frozenset(free)
        count = self._counts[deployment]
        return count if untaken or not others else math.ceil(count / (others + 1))

    def _yield(self, deployment: str) -> None:
        """Give back what is beyond this worker's fair share as soon as it was not used for a minute."""
        mine, count = self._mine.get(deployment, {}), self._counts[deployment]
        most = self._most.get(deployment, count)
        if len(mine) > most:
            needed = max(most, math.ceil(self._pacer.used(deployment) * count - 1e-9))
            for _ in range(len(mine) - needed):
                self._leases.give_back(*mine.popitem())

    def _wish(self, deployment: str) -> None:
        if deployment not in self._wished_at:
            self._leases.take(_wish_of(deployment, self._leases.holder))
        self._wished_at[deployment] = self._ticks

    def _be_content(self, deployment: str) -> None:
        wished_at = self._wished_at.get(deployment)
        if wished_at is not None and self._ticks - wished_at > _CONTENT_TICKS:
            self._take_back_wish(deployment)

    def _take_back_wish(self, deployment: str) -> None:
        del self._wished_at[deployment]
        self._leases.give_back(_wish_of(deployment, self._leases.holder), 0)

    def _inherit(self, deployment: str, held: Held) -> None:
        """End the wishes of workers that are no more, and take over their parts, used a minute ago."""
        batch, mine = self._work.batch, self._mine[deployment]
        beats = batch.ledger.beats(batch.batch_id)
        for name, generation in held.generations.items():
            if not name.startswith(f"{short_key(deployment)}."):
                continue
            holder = self._leases.holder_of(name, generation)
            if not holder or holder == self._leases.holder:
                continue
            if not self._silence.is_dead(holder, beats.get(holder), WINDOW_S):
                continue
            if _is_wish(name, deployment):
                self._leases.give_back(name, generation)
            elif self._leases.take(name, generation + 1):
                mine[name] = generation + 1

    def _drop(self, deployment: str, count: int) -> None:
        # First this process keeps to less, then others may have it.
        freed = self._pacer.release(deployment, 1 / self._counts[deployment], count)
        mine = self._mine.get(deployment, {})
        for _ in range(freed):
            self._leases.give_back(*mine.popitem())


def quota_part(deployment: str, number: int) -> str:
    """Return the name under which a part of a deployment's quota is leased."""
    return f"{short_key(deployment)}.{number:03d}"


def _wish_of(deployment: str, holder: str) -> str:
    """Return the name under which a holder says that it wants more of a deployment's quota."""
    return f"{short_key(deployment)}.{short_key(holder)}"


def _is_wish(name: str, deployment: str) -> bool:
    return name.startswith(f"{short_key(deployment)}.") and len(name) == len(_wish_of("", ""))


def parts_of(a_minute: float) -> int:
    """Return into how many parts a quota is cut: a request each, so that no part is less than one."""
    return PARTS if a_minute > PARTS else max(1, int(a_minute))


@contextmanager
def borrowing(work: RowWorker, is_busy: Callable[[], bool]) -> Generator[None]:
    """Share the quotas of a batch with its other workers until the work is over."""
    parts, ended = QuotaParts(work, is_busy), threading.Event()

    def go_on() -> None:
        with suppress(RunStopped):
            while not ended.wait(LENT_AGAIN_S):
                _safely(parts.tick)
            _safely(parts.close)

    thread = threading.Thread(target=go_on, name="quota", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10.0)


def _safely(step: Callable[[], None]) -> None:
    try:
        step()
    except StoreError as error:
        # Whoever waits goes on waiting; what is held stays held.
        _log.info("no parts of quotas: %s", error)
