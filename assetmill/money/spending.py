"""What was spent, from the ledger's own records: commits, verdicts in vain, attempts that are not over."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
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
    groups: defaultdict[str, list[_AttemptCost]] = defaultdict(list)
    key = _KEYS[by]
    records = list(ledger.stages())
    for attempt in (*_committed(records), *_failed(ledger)):
        groups[key(attempt)].append(attempt)
    taken = {f"{short_key(record.pipeline)}/{record.fingerprint}": record.attempt for record in records}
    still_open = tuple(
        _open(stem, turns, ledger) for stem, turns in ledger.kept.open_attempts(taken) if turns
    )
    return Spending(tuple(_summed(group, found) for group, found in sorted(groups.items())), still_open)


def _committed(records: Iterable[StageRecord]) -> Iterator[_AttemptCost]:
    for record in records:
        if not record.made_by or record.draws or record.decision:
            continue  # derived here, chosen, or accepted: from what was paid for already
        last = record.made_by[-1]
        model = last.image_model or last.model
        range_usd = record.cost_range_usd
        yield _AttemptCost(
            record.finished_at, record.pipeline, record.stage, model, record.cost_usd, range_usd
        )


def _failed(ledger: Ledger) -> Iterator[_AttemptCost]:
    for stem, verdict in ledger.kept.verdicts():
        if verdict.cost_usd != 0.0:
            usd = verdict.cost_usd if verdict.cost_usd is not None else _of_turns(stem, ledger)
            name = f"failed: {verdict.error}"
            yield _AttemptCost(verdict.created_at, "", name, "", usd, _range_of(stem, verdict, usd, ledger))


def _range_of(stem: str, verdict: Verdict, usd: float | None, ledger: Ledger) -> tuple[float, float] | None:
    """Return the range of a failed attempt's cost; of one that nobody knows, up to what was reserved."""
    if usd is not None:
        return verdict.cost_range_usd
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


def _summed(group: str, found: list[_AttemptCost]) -> Spent:
    known = [one for one in found if one.usd is not None]
    ranges = [one.range_usd or (one.usd or 0.0, one.usd or 0.0) for one in found]
    return Spent(
        group,
        round(sum(one.usd or 0.0 for one in known), 8),
        len(found),
        len(found) - len(known),
        round(sum(low for low, _ in ranges), 8),
        round(sum(high for _, high in ranges), 8),
    )


def _day(attempt: _AttemptCost) -> str:
    return datetime.datetime.fromtimestamp(attempt.at, datetime.UTC).date().isoformat()


_KEYS: dict[Grouping, Callable[[_AttemptCost], str]] = {
    "day": _day,
    "pipeline": lambda attempt: attempt.pipeline or attempt.stage,
    "stage": lambda attempt: f"{attempt.pipeline}/{attempt.stage}" if attempt.pipeline else attempt.stage,
    "model": lambda attempt: attempt.model or attempt.stage,
}
