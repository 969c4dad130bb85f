"""Which rows may begin: those for which all that is left has room, under the ceilings and in the slots.

Without it a ceiling would be used up by the first stages of many rows, of which few could go on; and a row
that begins would take the slot that is free between two stages of another, which then ends a stage later.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future

from assetmill.batches.row_plans import RowPlan, StagePlan
from assetmill.fingerprint import Fingerprint
from assetmill.money.budget import Ceiling
from assetmill.records import RunId
from assetmill.stage.services import Services

MAY_BEGIN = ""

IDLE_S = 2.0
"""So long a slot may be free until one row more begins: the rows under way have no stage for it now.

They wait for something, or do local stages; the next stage of a row comes much sooner.
"""


class Room:
    """What rows under way may still cost, beside what the ceilings have left. Safe for threads.

    A row has a claim for each of its stages that is to be paid; stages that rows share count once. Claims
    live in this process alone: money itself is reserved by each stage, in the store, when it begins. With
    `rows_at_once` no more rows are under way, unless they leave slots empty.
    """

    def __init__(
        self,
        services: Services,
        run_id: RunId,
        plans: Sequence[RowPlan],
        rows_at_once: float = math.inf,
    ) -> None:
        self._services, self._run_id, self._rows_at_once = services, run_id, rows_at_once
        # Of a batch without ceilings nothing is kept that grows with it.
        plans = plans if services.ceilings_of(run_id) else ()
        self._needs = {plan.row.number: tuple(_identities(plan.stages)) for plan in plans}
        priced = (stage for plan in plans for stage in plan.stages if stage.cost and stage.cost.ceiling)
        self._prices = {stage.identity: stage.cost.ceiling for stage in priced if stage.cost}
        self._paid: set[str] = set()
        self._under_way: dict[int, set[str]] = {}
        self._waiting: list[tuple[int, Future[str]]] = []
        self._identities: dict[Fingerprint, str] = {}
        # Rows ask, and their stages end, in the threads of their groups.
        self._lock = threading.Lock()

    def ask(self, number: int) -> Future[str]:
        """Return what becomes `MAY_BEGIN`, or why there is no room, once no row under way can change that."""
        future: Future[str] = Future()
        with self._lock:
            heapq.heappush(self._waiting, (number, future))
            self._decide()
        return future

    def begin(self, identity: str, fp: Fingerprint) -> None:
        """Note under which fingerprint a stage reserves its money."""
        with self._lock:
            if self._needs:
                self._identities[fp] = identity

    def end(self, number: int, identity: str, *, is_paid: bool) -> None:
        """Give a stage's claim back; once it is paid nobody needs money for it."""
        with self._lock:
            if is_paid and self._needs:
                self._paid.add(identity)
            self._under_way.get(number, set[str]()).discard(identity)
            self._decide()

    def leave(self, numbers: Iterable[int]) -> None:
        """Give back all claims of rows that are over, however that came."""
        gone = set(numbers)
        with self._lock:
            for number in gone:
                self._under_way.pop(number, None)
            self._waiting = [entry for entry in self._waiting if entry[0] not in gone]
            heapq.heapify(self._waiting)
            self._decide()

    def is_paid(self, identity: str) -> bool:
        """Return whether a stage was paid since the plan was made."""
        with self._lock:
            return identity in self._paid

    def _decide(self) -> None:
        """Answer those that wait, in the order of their rows, as far as that is possible now."""
        most = self._most_under_way()
        while self._waiting and len(self._under_way) < most:
            number, future = self._waiting[0]
            refusal = self._refusal(number)
            if refusal and self._under_way:
                return  # what these do not spend may be enough
            heapq.heappop(self._waiting)
            if not refusal:
                self._under_way[number] = self._claims_of(number)
            future.set_result(refusal)

    def _most_under_way(self) -> float:
        if self._services.slots.idle_s() > IDLE_S:
            return max(self._rows_at_once, len(self._under_way) + 1)
        return self._rows_at_once

    def _claims_of(self, number: int) -> set[str]:
        return set(self._needs.get(number, ())) - self._paid

    def _refusal(self, number: int) -> str:
        claimed = {identity for claims in self._under_way.values() for identity in claims}
        needs = self._claims_of(number) - claimed
        for ceiling in self._services.ceilings_of(self._run_id):
            if refusal := self._refused_by(ceiling, needs, claimed):
                return refusal
        return MAY_BEGIN

    def _refused_by(self, ceiling: Ceiling, needs: set[str], claimed: set[str]) -> str:
        spent_usd, reserved = self._services.budget.usage(ceiling.scope)
        held = {name.rpartition(".")[0]: usd for name, usd in reserved.items()}
        others_usd = sum(
            usd for fp, usd in held.items() if self._identities.get(Fingerprint(fp)) not in claimed
        )
        # An attempt that an earlier run left open has its money already.
        need_usd = sum(self._prices.get(identity, 0.0) for identity in needs if identity not in held)
        if not need_usd:
            return ""
        free_usd = ceiling.usd - spent_usd - others_usd
        free_usd -= sum(self._prices.get(identity, 0.0) for identity in claimed)
        if need_usd <= free_usd + 1e-9:
            return ""
        return (
            f"what is left of its row may cost ${need_usd:.4f} and ${max(0.0, free_usd):.4f} of the ceiling "
            f"of ${ceiling.usd:.2f} for {ceiling.scope} is left"
        )


def _identities(stages: Sequence[StagePlan]) -> Iterator[str]:
    """Yield what a row must have paid: by itself, or by the row that comes to a shared stage first."""
    return (stage.identity for stage in stages if stage.decision in {"run", "wait", "shared"})
