"""What was spent, from the ledger's own records: commits, verdicts in vain, attempts that are not over."""

from __future__ import annotations

import datetime
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from assetmill.fingerprint import short_key
from assetmill.records import Intent, Receipt, RunId, StageRecord, Verdict
from assetmill.store.ledger import Ledger

Grouping = Literal["day", "pipeline", "stage", "model"]


@dataclass(frozen=True)
class Spent:
    """One group of paid attempts. `unknown` counts those whose cost nobody can say; it is not zero.

    `low_usd` and `high_usd` are the range where only the service knows the cost exactly.
    """

    group: str
    usd: float
    attempts: int
    unknown: int
    low_usd: float = 0.0
    high_usd: float = 0.0

    @property
    def is_about(self) -> bool:
        """Whether only the service knows the cost exactly."""
        return self.low_usd != self.high_usd


@dataclass(frozen=True)
class OpenSpend:
    """An attempt that is not over. `usd` is what is known to be spent; `high_usd` what it may come to.

    `state`: it waits for its next turn, the service has taken it, or nobody knows whether it was sent.
    """

    stage: str
    run_id: RunId
    attempt: int
    state: Literal["waits", "in flight", "in doubt"]
    usd: float
    high_usd: float | None
    response_id: str | None


@dataclass(frozen=True)
class Spending:
    """Everything that was spent, in groups, and every attempt that is not over on a line of its own."""

    groups: tuple[Spent, ...]
    open: tuple[OpenSpend, ...]

    @property
    def usd(self) -> float:
        """What is known to be spent."""
        return round(sum(group.usd for group in self.groups) + sum(one.usd for one in self.open), 8)

    @property
    def unknown(self) -> int:
        """How many attempts have a cost that nobody can say."""
        return sum(group.unknown for group in self.groups)


@dataclass(frozen=True)
class _AttemptCost:
    at: float
    pipeline: str
    stage: str
    model: str
    usd: float | None
    range_usd: tuple[float, float] | None = None


def spending(ledger: Ledger, by: Grouping) -> Spending:
    """Return what was spent, by group, in the order of their names. Reads every record of the store."""
    groups: defaultdict[str, _Sum] = defaultdict(_Sum)
    key = _KEYS[by]

    def commits() -> Iterator[tuple[str, int]]:
        """Count each commit on the way to the attempts that have none, so that the store is read once."""
        for record in ledger.stages():
            if attempt := _committed(record):
                groups[key(attempt)].add(attempt)
            yield f"{short_key(record.pipeline)}/{record.fingerprint}", record.attempt

    passed = commits()
    still_open = tuple(
        _open(stem, turns, ledger) for stem, turns in ledger.kept.open_attempts(passed) if turns
    )
    # Behind the last attempt there may be commits of stages without any, as edits are.
    deque(passed, maxlen=0)
    for attempt in _failed(ledger):
        groups[key(attempt)].add(attempt)
    return Spending(tuple(found.spent(group) for group, found in sorted(groups.items())), still_open)


def _committed(record: StageRecord) -> _AttemptCost | None:
    if not record.made_by or record.draws or record.decision:
        return None  # derived here, chosen, or accepted: from what was paid for already
    last, range_usd = record.made_by[-1], record.cost_range_usd
    model = last.image_model or last.model
    return _AttemptCost(record.finished_at, record.pipeline, record.stage, model, record.cost_usd, range_usd)


def _failed(ledger: Ledger) -> Iterator[_AttemptCost]:
    for stem, verdict in ledger.kept.verdicts():
        if verdict.cost_usd != 0.0:
            usd = verdict.cost_usd if verdict.cost_usd is not None else _of_turns(stem, ledger)
            name = f"failed: {verdict.error}"
            yield _AttemptCost(verdict.created_at, "", name, "", usd, _range_of(stem, verdict, usd, ledger))


def _range_of(stem: str, verdict: Verdict, usd: float | None, ledger: Ledger) -> tuple[float, float] | None:
    """Return the range of a failed attempt's cost; of one that nobody knows, up to what was reserved."""
    if usd is not None:
        return None if verdict.cost_usd is None else verdict.cost_range_usd
    intent = ledger.kept.intent_of(stem)
    return (0.0, intent.reserved_usd) if intent and intent.reserved_usd is not None else None


def _of_turns(stem: str, ledger: Ledger) -> float | None:
    """Return what an attempt's turns have cost, when each of them was priced as it ended."""
    costs = ledger.kept.turn_costs(stem)
    if not costs or None in costs.values() or len(costs) < ledger.kept.turns_of(stem):
        return None
    return round(sum(cost or 0.0 for cost in costs.values()), 8)


def _open(stem: str, turns: list[tuple[Intent, Receipt | None]], ledger: Ledger) -> OpenSpend:
    costs = ledger.kept.turn_costs(stem)
    intent, receipt = turns[-1]
    usd = round(sum(cost or 0.0 for cost in costs.values()), 8)
    is_priced = costs.get(intent.turn) is not None
    reserved = intent.reserved_usd
    high = usd if is_priced else None if reserved is None else usd + reserved
    return OpenSpend(
        stage=intent.stage,
        run_id=intent.run_id,
        attempt=intent.attempt,
        state="waits" if is_priced else "in flight" if receipt else "in doubt",
        usd=usd,
        high_usd=high,
        response_id=receipt.response_id if receipt else None,
    )


@dataclass
class _Sum:
    """What the attempts of one group come to, taken in one by one: a store may have a million."""

    usd: float = 0.0
    attempts: int = 0
    unknown: int = 0
    low_usd: float = 0.0
    high_usd: float = 0.0

    def add(self, one: _AttemptCost) -> None:
        known_usd = one.usd or 0.0
        low_usd, high_usd = one.range_usd or (known_usd, known_usd)
        self.usd, self.attempts = self.usd + known_usd, self.attempts + 1
        self.unknown += one.usd is None
        self.low_usd, self.high_usd = self.low_usd + low_usd, self.high_usd + high_usd

    def spent(self, group: str) -> Spent:
        sums = (round(value, 8) for value in (self.low_usd, self.high_usd))
        return Spent(group, round(self.usd, 8), self.attempts, self.unknown, *sums)


def _day(attempt: _AttemptCost) -> str:
    return datetime.datetime.fromtimestamp(attempt.at, datetime.UTC).date().isoformat()


_KEYS: dict[Grouping, Callable[[_AttemptCost], str]] = {
    "day": _day,
    "pipeline": lambda attempt: attempt.pipeline or attempt.stage,
    "stage": lambda attempt: f"{attempt.pipeline}/{attempt.stage}" if attempt.pipeline else attempt.stage,
    "model": lambda attempt: attempt.model or attempt.stage,
}
