"""What was spent, from the ledger's own records: commits, and verdicts on attempts that came to nothing."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from assetmill.records import StageRecord, Verdict
from assetmill.store.ledger import Ledger

Grouping = Literal["day", "pipeline", "stage", "model"]


@dataclass(frozen=True)
class Spent:
    """One group of paid attempts. `unknown` counts those whose cost nobody can say; it is not zero."""

    group: str
    usd: float
    attempts: int
    unknown: int


@dataclass(frozen=True)
class _AttemptCost:
    at: float
    pipeline: str
    stage: str
    model: str
    usd: float | None


def spending(ledger: Ledger, by: Grouping) -> list[Spent]:
    """Return what was spent, by group, in the order of their names. Reads every record of the store."""
    groups: defaultdict[str, list[float | None]] = defaultdict(list)
    key = _KEYS[by]
    for attempt in _attempts(ledger.stages(), ledger.verdicts()):
        groups[key(attempt)].append(attempt.usd)
    return [_summed(group, costs) for group, costs in sorted(groups.items())]


def _attempts(records: Iterable[StageRecord], verdicts: Iterable[Verdict]) -> Iterator[_AttemptCost]:
    for record in records:
        if not record.made_by or record.draws:
            continue  # derived here or chosen, from what was paid for already
        last = record.made_by[-1]
        model = last.image_model or last.model
        yield _AttemptCost(record.finished_at, record.pipeline, record.stage, model, record.cost_usd)
    for verdict in verdicts:
        if verdict.cost_usd != 0.0:
            yield _AttemptCost(verdict.created_at, "", f"failed: {verdict.error}", "", verdict.cost_usd)


def _summed(group: str, costs: list[float | None]) -> Spent:
    known = [cost for cost in costs if cost is not None]
    return Spent(group, round(sum(known), 8), len(costs), len(costs) - len(known))


def _day(attempt: _AttemptCost) -> str:
    return datetime.datetime.fromtimestamp(attempt.at, datetime.UTC).date().isoformat()


_KEYS: dict[Grouping, Callable[[_AttemptCost], str]] = {
    "day": _day,
    "pipeline": lambda attempt: attempt.pipeline or attempt.stage,
    "stage": lambda attempt: f"{attempt.pipeline}/{attempt.stage}" if attempt.pipeline else attempt.stage,
    "model": lambda attempt: attempt.model or attempt.stage,
}
