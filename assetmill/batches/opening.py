"""A batch before anything is spent: rows checked, all of it planned as one, its hour weighed."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assetmill.agents.gateway import Gateway
from assetmill.agents.told import told_ends
from assetmill.batches.begun import BegunBatches
from assetmill.batches.hour import Forecast, forecast
from assetmill.batches.known import KnownRows
from assetmill.batches.ledger import BATCH_ID, BatchLedger
from assetmill.batches.records import BatchRow, BatchStart
from assetmill.batches.row_plans import Planner, RowPlan, Totals
from assetmill.batches.rows import BadRow, Row, pack, read_rows, unpack
from assetmill.errors import InvalidInput, InvalidSettings, NotFound
from assetmill.fingerprint import canonical, digest
from assetmill.money.budget import Ceiling
from assetmill.money.prices import prices_for
from assetmill.names import counted
from assetmill.plan.binder import ProfileDefaults
from assetmill.records import BlobRef, RunId
from assetmill.runs.outlook import Outlook, durations_of, hour_for, weigh
from assetmill.runs.planning import words_of
from assetmill.settings import Settings
from assetmill.spec.loading import load_pipeline
from assetmill.spec.pipeline import LoadedPipeline
from assetmill.stage.gate import Gate
from assetmill.stage.services import Services, Wait

RowOrder = Literal["rows", "stages"]
"""`rows`: finish rows rather than begin them, also under a ceiling; `stages`: all first stages come first."""

SHARD_ROWS = 50
_ROWS_TYPE = "application/x-ndjson"
_SHOWN = 20


@dataclass(frozen=True)
class BatchOrder:
    """What a person asks for. `by` is in Unix seconds; `common` fills what rows leave empty."""

    pipeline: str
    rows: str
    common: tuple[tuple[str, Any], ...] = ()
    name: str = ""
    by: float | None = None
    budget_usd: float | None = None
    allows_bad_rows: bool = False
    retries_blocked: bool = False
    order: RowOrder = "rows"
    pays_again: bool = False


class InvalidRows(InvalidInput):
    """Rows of a table cannot run; `rows` says which, with line and reason."""

    def __init__(self, source: str, rows: tuple[tuple[int, str], ...]) -> None:
        super().__init__(source, rows)
        self.source, self.rows = source, rows

    def __str__(self) -> str:
        lines = [f"  {self.source}:{number}: {reason}" for number, reason in self.rows[:_SHOWN]]
        if len(self.rows) > _SHOWN:
            lines.append(f"  and {len(self.rows) - _SHOWN} more")
        head = f"{counted(len(self.rows), 'row')} cannot run; --allow-bad-rows runs the others"
        return "\n".join([head, *lines])


@dataclass(frozen=True)
class Batch:
    """A planned batch. `bad` are rows that cannot run; `content` digests what it is made of."""

    batch_id: str
    content: str
    order: BatchOrder
    pipeline: LoadedPipeline
    plans: tuple[RowPlan, ...]
    bad: tuple[BadRow, ...]
    planner: Planner
    known: KnownRows
    totals: Totals
    forecast: Forecast
    services: Services
    ledger: BatchLedger
    fallbacks: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    outlook: Outlook | None = None

    @functools.cached_property
    def to_do(self) -> tuple[RowPlan, ...]:
        """The rows of which something is left to do, or of which the batches have no note yet."""
        return tuple(plan for plan in self.plans if self.reused(plan) is None)

    def reused(self, plan: RowPlan) -> BatchRow | None:
        """Return what is known of a row that needs nothing, None when it is to be gone through."""
        if not plan.is_reused:
            return None
        return self.known.row_with(plan.row.key, [stage.fingerprint for stage in plan.stages])


def batch_id_of(order: BatchOrder, settings: Settings) -> str:
    """Return the ID that a batch will have, without planning it.

    Raises:
        InvalidInput: the pipeline, the table or the name is not valid.
    """
    pipeline = load_pipeline(order.pipeline, settings.configs)
    rows = read_rows(order.rows, pipeline, dict(order.common), settings)
    return _identify(order.name, pipeline, rows.good)[0]


def prepare(order: BatchOrder, services: Services) -> Batch:
    """Read, check and plan a batch. Nothing is spent and nothing is written.

    Raises:
        InvalidRows: rows cannot run, and the order does not allow for that.
        InvalidInput: the pipeline, the table or the name is not valid.
    """
    settings = services.settings
    pipeline = load_pipeline(order.pipeline, settings.configs)
    rows = read_rows(order.rows, pipeline, dict(order.common), settings)
    batch_id, content = _identify(order.name, pipeline, rows.good)
    batch = plan_rows(order, services, pipeline, rows.good, batch_id=batch_id, content=content)
    faulty = tuple(BadRow(plan.row.number, plan.fault) for plan in batch.plans if plan.fault)
    bad = tuple(sorted((*rows.bad, *faulty), key=lambda row: row.number))
    if bad and (not order.allows_bad_rows or len(faulty) == len(batch.plans)):
        raise InvalidRows(order.rows, tuple((row.number, row.reason) for row in bad))
    sound = tuple(plan for plan in batch.plans if not plan.fault)
    return dataclasses.replace(batch, plans=sound, bad=bad, fallbacks=rows.fallbacks)


def plan_rows(
    order: BatchOrder,
    services: Services,
    pipeline: LoadedPipeline,
    rows: Sequence[Row],
    *,
    batch_id: str,
    content: str,
    share: float = 1.0,
) -> Batch:
    """Plan rows that were checked; `share` is this process's part of the profile's quota."""
    ledger = BatchLedger(services.backend)
    known = KnownRows(services.ledger, ledger, pipeline.name, batch_id, is_retrying=order.retries_blocked)
    settings = services.settings
    ends = told_ends(settings.home, settings.foundry.endpoint)
    defaults = ProfileDefaults.of(settings, ends, has_hour=order.by is not None)
    words = words_of(settings, services.ledger, pipeline)
    planner = Planner(pipeline, defaults, known, prices_for(settings), words)
    plans = planner.plans(rows)
    totals = planner.totals(plans)
    told = forecast(totals, settings, order.by, time.time())
    limited = limit(services, batch_id, order, share)
    outlook = _outlook(order.by, limited, planner, plans, totals) if order.by is not None else None
    limited.hour = outlook.hour if outlook else None
    return Batch(
        batch_id, content, order, pipeline, plans, (), planner, known, totals, told, limited, ledger,
        outlook=outlook,
    )  # fmt: skip


def _outlook(
    by: float, services: Services, planner: Planner, plans: Sequence[RowPlan], totals: Totals
) -> Outlook:
    """Return what a batch is to cost and when it is done, in both lanes: its rows are chains of one form."""
    row = next((plan.row for plan in plans if not plan.fault), None)
    stages = planner.plan_of(row).stages if row else ()
    needs = {stage.label: stage.needs for stage in stages}
    in_flex = frozenset(label for label, count in totals.in_flex.items() if count)
    hour = hour_for(
        by,
        services.settings,
        taken=totals.wanted,
        stages=totals.to_run,
        needs=needs,
        durations=durations_of(services.ledger.latest_manifest(planner.pipeline.name)),
        now=time.time(),
    )
    count = sum(totals.in_flex.values())
    costs = totals.normal, totals.cost
    return weigh(hour, costs, needs, in_flex, stages_in_flex=count, now=time.time())


def limit(services: Services, batch_id: str, order: BatchOrder, share: float) -> Services:
    """Return the services with a batch's ceiling, hour and quota; they stay open with the ones given."""
    ceilings = services.ceilings
    if order.budget_usd is not None:
        ceilings = (*ceilings, Ceiling(f"batch/{batch_id}", order.budget_usd))
    return dataclasses.replace(
        services,
        settings=_with_share(services.settings, share),
        open_gateway=_the_one_of(services),
        ceilings=ceilings,
        gate=Gate(until=order.by, closes_on_block=True),
    )


def _the_one_of(services: Services) -> Callable[[Settings, Wait], Gateway]:
    def gateway(settings: Settings, wait: Wait) -> Gateway:
        return services.gateway

    return gateway


def _with_share(settings: Settings, share: float) -> Settings:
    quota = settings.quota.model_copy(update={"share": settings.quota.share * share})
    return settings.model_copy(update={"quota": quota})


def _identify(name: str, pipeline: LoadedPipeline, rows: Sequence[Row]) -> tuple[str, str]:
    """Return a batch's ID and the digest of what it is made of, which is its ID unless somebody named it."""
    if name and not BATCH_ID.fullmatch(name):
        raise InvalidInput(f"{name!r} cannot be a batch's name: lower-case letters, digits, `.`, `_`, `-`")
    if name == "latest" or name.startswith(("run_", "ast_")):
        raise InvalidInput(f"{name!r} cannot be a batch's name: it would mean a run or an asset elsewhere")
    made_of = [pipeline.name, pipeline.digest, digest(pack(rows))]
    content = digest(canonical(made_of)).removeprefix("sha256:")[:20]
    return name or f"batch_{content}", content


def store_start(batch: Batch) -> BatchStart:
    """Store what a batch is made of, so that others can work on it."""
    rows = [plan.row for plan in batch.plans]
    start = BatchStart(
        batch_id=batch.batch_id,
        content=batch.content,
        pipeline=batch.pipeline.name,
        spec_path=batch.order.pipeline,
        spec_digest=batch.pipeline.digest,
        rows=batch.services.blobs.put(pack(rows), _ROWS_TYPE),
        row_count=len(rows),
        created_at=time.time(),
    )
    batch.ledger.write_start(start)
    return start


def begin(batch: Batch, run_id: RunId) -> None:
    """Store what a batch is made of and that a run of it begins, before anything is spent.

    Who looks at it does not have the table: what is shown, and the next pass, begin from what is kept.
    """
    start = store_start(batch)
    if to_do := len(batch.to_do):
        BegunBatches(batch.services.backend).write(start, batch.services.owner, run_id, to_do=to_do)


def prepare_again(batch_id: str, services: Services, budget_usd: float | None = None) -> Batch:
    """Plan a batch once more from what is stored of it: its next pass, after people have decided.

    Raises:
        NotFound: no such batch, or it has not kept its rows.
        InvalidInput: its pipeline is not valid any more.
    """
    start = BatchLedger(services.backend).newest_start(batch_id)
    if start is None:
        hint = "it is of a time when not every batch kept its rows: give --rows"
        raise NotFound("batch", batch_id, hint)
    order = BatchOrder(start.spec_path, "", name=batch_id, budget_usd=budget_usd, allows_bad_rows=True)
    pipeline = load_pipeline(start.spec_path, services.settings.configs)
    rows = unpack(_bytes_of(start.rows, services))
    content = _identify(batch_id, pipeline, rows)[1]
    batch = plan_rows(order, services, pipeline, rows, batch_id=batch_id, content=content)
    return dataclasses.replace(batch, plans=tuple(plan for plan in batch.plans if not plan.fault))


def prepare_shard(
    order: BatchOrder, content: str, services: Services, *, first: int, last: int, share: float = 1.0
) -> Batch:
    """Plan the rows from index `first` up to, not with, `last` of a batch that another process planned.

    Raises:
        NotFound: no such batch in this store.
        InvalidSettings: the pipeline file here is not the one that was planned.
    """
    start = BatchLedger(services.backend).read_start(order.name, content)
    pipeline = load_pipeline(start.spec_path, services.settings.configs)
    if pipeline.digest != start.spec_digest:
        found = f"{pipeline.path} is not the file that batch {order.name} was planned with"
        raise InvalidSettings(f"{found}: bring this machine up to date")
    rows = unpack(_bytes_of(start.rows, services), first, last)
    return plan_rows(order, services, pipeline, rows, batch_id=order.name, content=content, share=share)


def _bytes_of(rows: BlobRef, services: Services) -> bytes:
    return services.blobs.get(rows)
