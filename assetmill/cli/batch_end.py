"""The last lines of a batch: how its rows ended, what failed and why, and the command that goes on."""

from __future__ import annotations

import datetime
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator

from assetmill.batches.opening import SHARD_ROWS, Batch, BatchOrder
from assetmill.batches.records import BatchManifest, BatchRow
from assetmill.cli.options import usd
from assetmill.errors import RunWaiting
from assetmill.names import counted
from assetmill.stage import interrupts

_SHOWN = 20
_ALIKE = frozenset({"over_budget", "late", "waiting"})
"""States whose reasons differ only in how much was left at the moment: one row stands for all."""


def exit_code(manifest: BatchManifest, *, is_interrupted: bool) -> int:
    """Return 0 when all was done, 3 when it waits for people, 128 and a signal that stopped it, else 1."""
    if manifest.status == "completed":
        return 0
    if manifest.status == "waiting" and not is_interrupted:
        return RunWaiting.exit_code
    return interrupts.exit_code() if is_interrupted else 1


def summary(
    manifest: BatchManifest,
    planned: Batch,
    *,
    work_pool: str = "",
    shard: int = SHARD_ROWS,
    named_profile: str | None = None,
) -> str:
    """Return how a batch ended and what to do next."""
    states = Counter(row.state for row in manifest.rows)
    seconds = manifest.finished_at - manifest.started_at
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    lines = [
        "",
        f"{manifest.pipeline} {manifest.status} in {seconds:.1f} s: {counts}; "
        f"spent {spent(manifest.rows)}  ({manifest.batch_id})",
    ]
    if manifest.reason:
        lines.append(f"  {manifest.reason}")
    again = command(planned.order, work_pool=work_pool, shard=shard, named_profile=named_profile)
    steps = _next_steps(manifest, planned.order, again, named_profile)
    return "\n".join([*lines, *_unsettled(manifest, planned), "", "Next:", *steps])


def spent(rows: Iterable[BatchRow]) -> str:
    """Return what rows cost; where an attempt's cost is not known, what they cost at least."""
    costs = [row.spent_usd for row in rows]
    known = usd(sum(cost or 0.0 for cost in costs))
    unknown = costs.count(None)
    return f"at least {known} ({counted(unknown, 'row')} of unknown cost)" if unknown else known


def command(order: BatchOrder, *, work_pool: str, shard: int, named_profile: str | None) -> str:
    """Return the command that is this batch, with every option that makes it the same one."""
    options = list(_options(order, work_pool, shard, named_profile))
    return shlex.join(["assetmill", "batch", *([order.pipeline] if order.rows else []), *options])


def _options(order: BatchOrder, work_pool: str, shard: int, named_profile: str | None) -> Iterator[str]:
    yield from ("--rows", order.rows) if order.rows else ("--again", order.name)
    for name, value in order.common:
        yield from ("-p", f"{name}={_text(value)}")
    if order.name and order.rows:
        yield from ("--name", order.name)
    if order.budget_usd is not None:
        yield from ("--budget", str(order.budget_usd))
    if order.by is not None:
        yield from ("--by", f"{datetime.datetime.fromtimestamp(order.by, datetime.UTC).astimezone():%H:%M}")
    if work_pool:
        yield from ("--work-pool", work_pool)
    if shard != SHARD_ROWS:
        yield from ("--shard", str(shard))
    if order.order != "rows":
        yield from ("--order", order.order)
    if order.allows_bad_rows and order.rows:
        yield "--allow-bad-rows"
    if named_profile:
        yield from ("--profile", named_profile)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unsettled(manifest: BatchManifest, planned: Batch) -> list[str]:
    alike: dict[tuple[str, str], list[BatchRow]] = {}
    for row in manifest.rows:
        if not row.is_done and row.state != "cancelled":
            reason = "" if row.state in _ALIKE else row.reason or ""
            alike.setdefault((row.state, reason), []).append(row)
    shown = list(alike.items())[:_SHOWN]
    lines = [f"  {planned.order.rows}:{_told(state, rows)}" for (state, _), rows in shown]
    left = sum(len(rows) for rows in list(alike.values())[_SHOWN:])
    return lines + ([f"  and {left} more rows"] if left else [])


def _told(state: str, rows: list[BatchRow]) -> str:
    if state in _ALIKE:
        return _left(rows)
    first, more = rows[0], len(rows) - 1
    others = f" and {counted(more, 'more row')}" if more else ""
    return f"{first.number}{others} {first.state}: {first.reason}"


def _left(rows: list[BatchRow]) -> str:
    """Return all rows that the money or the hour has left, and how many of them have something already."""
    begun = sum(any(stage.is_done for stage in row.stages) for row in rows)
    some = f", {begun} of them begun" if begun else ""
    where = line_numbers(row.number for row in rows)
    return f"{where} {rows[0].state}: {counted(len(rows), 'row')} left{some}; {rows[0].reason}"


def line_numbers(numbers: Iterable[int]) -> str:
    """Return line numbers as `2, 5-7`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    shown = ["-".join(map(str, part)) for part in parts[:_SHOWN]]
    return ", ".join([*shown, "..."] if len(parts) > _SHOWN else shown)


def _next_steps(
    manifest: BatchManifest, order: BatchOrder, again: str, named_profile: str | None
) -> Iterator[str]:
    store = f" --profile {shlex.quote(named_profile)}" if named_profile else ""
    if manifest.count("waiting"):
        yield f"  assetmill open {manifest.batch_id}{store}    shows what waits, to approve or reject it"
    if manifest.status != "completed":
        yield f"  {again}    goes on where it ended"
    if manifest.count("over_budget") and order.budget_usd is not None:
        yield "      with a higher --budget, which counts what was spent already"
    if manifest.count("quarantined"):
        yield "      with --retry-blocked it sends the refused prompts again, else they stay in quarantine"
    if manifest.count("in_doubt"):
        after = "looks for what is in doubt; --retry or --give-up decides, with --row about one row"
        yield f"  assetmill resolve {manifest.batch_id}{store} --wait    {after}"
    if any(row.assets for row in manifest.rows):
        files = f"assetmill export {manifest.batch_id} {manifest.batch_id}{store}"
        yield f"  {files}    every row's files in a folder of that name, and a table"
    yield f"  assetmill contact-sheet {manifest.batch_id} sheet.html{store}    a picture of everything"
