"""`assetmill batch` and `assetmill contact-sheet`: a pipeline for every row of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from assetmill.batches import reports
from assetmill.batches.hour import iso, parse_by
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.opening import (
    SHARD_ROWS,
    Batch,
    BatchOrder,
    InvalidRows,
    RowOrder,
    prepare,
    prepare_again,
)
from assetmill.batches.records import BatchManifest
from assetmill.batches.unchanged import run_unchanged_batch
from assetmill.cli.batch_end import exit_code, line_numbers, summary
from assetmill.cli.batch_screen import bar
from assetmill.cli.options import (
    budget_option,
    by_option,
    json_option,
    parameter_options,
    print_json,
    profile_option,
    read_parameters,
    total_text,
    usd,
)
from assetmill.errors import InvalidInput, NotFound, RunFailed, RunStopped
from assetmill.local.services import is_watched
from assetmill.settings import load_settings
from assetmill.stage.interrupts import interruptible
from assetmill.stage.services import Services, open_services

_SHOWN = 20
_SHOWN_LETTERS = 60


@click.command()
@click.argument("pipeline", required=False)
@click.option(
    "--rows",
    metavar="FILE",
    help="Path or s3:// URL: .csv .tsv .xlsx .jsonl .parquet.",
)
@parameter_options
@click.option(
    "--name", default="", metavar="NAME", help="What the batch is called; else its content names it."
)
@by_option("When it must be done, as 06:00: cheaper lanes are used until then; nothing is begun after it.")
@budget_option("Spend no more than this, over all runs of the batch.")
@click.option(
    "--work-pool", default="", metavar="POOL", help="Run shards there; else all runs in this process."
)
@click.option(
    "--shard",
    type=click.IntRange(1, 5000),
    default=SHARD_ROWS,
    help="The most rows that a worker leases at once.",
)
@click.option(
    "--order",
    "sequence",
    type=click.Choice(["rows", "stages"]),
    default="rows",
    help="Finish rows before others begin, or begin all of them first.",
)
@click.option("--allow-bad-rows", is_flag=True, help="Run the good rows of a table that has bad ones.")
@click.option("--retry-blocked", is_flag=True, help="Send prompts again that moderation has refused.")
@click.option("--pay-again", is_flag=True, help="Also for stages that failed the same way twice.")
@click.option(
    "--plan", "only_plan", is_flag=True, help="Say what would run and what it would cost; run nothing."
)
@click.option("--again", metavar="BATCH", help="Instead of PIPELINE and --rows: one that waited for people.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a contact sheet there.")
@profile_option
@json_option
def batch(
    pipeline: str | None,
    rows: str | None,
    *,
    pairs: tuple[str, ...],
    file: str | None,
    name: str,
    by: str | None,
    budget_usd: float | None,
    work_pool: str,
    shard: int,
    sequence: RowOrder,
    profile: str | None,
    again: str | None,
    html: Path | None,
    allow_bad_rows: bool,
    retry_blocked: bool,
    pay_again: bool,
    only_plan: bool,
    as_json: bool,
) -> int:
    """Run PIPELINE for every row of a table.

    Columns are its parameters.

    What is stored already is not made again: a batch that died goes on where it was.
    """
    common = tuple(sorted(read_parameters(pairs, file).items()))
    hour = parse_by(by) if by is not None else None
    _check_words(pipeline, rows, again)
    order = BatchOrder(
        *(pipeline or "", rows or "", common, name, hour, budget_usd),
        *(allow_bad_rows, retry_blocked, sequence, pay_again),
    )
    with open_services(load_settings(profile)) as services:
        try:
            planned = prepare_again(again, services, budget_usd) if again else prepare(order, services)
        except InvalidRows as error:
            return _refuse(error, as_json=as_json)
        for text in headlines(planned):
            click.echo(text, err=as_json or not only_plan)
        if only_plan:
            return _show_plan(planned, as_json=as_json)
        manifest = run_batch_with(planned, services, work_pool=work_pool, shard=shard)
        if html:
            _write_sheet(manifest, services, html)
    if as_json:
        print_json(reports.document(manifest))
    else:
        click.echo(summary(manifest, planned, work_pool=work_pool, shard=shard, named_profile=profile))
    return exit_code(manifest, is_interrupted=services.stop.is_set())


def _check_words(pipeline: str | None, rows: str | None, again: str | None) -> None:
    if again and (pipeline or rows):
        raise InvalidInput("--again has its pipeline and its rows already: leave out both")
    if not again and not (pipeline and rows):
        raise InvalidInput("say which PIPELINE to run for the rows of which table: --rows FILE")


@click.command("contact-sheet")
@click.argument("batch_id", metavar="BATCH")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@profile_option
@json_option
def contact_sheet(batch_id: str, file: Path, profile: str | None, *, as_json: bool) -> None:
    """Write a page with a picture of all that BATCH has made."""
    with open_services(load_settings(profile)) as services:
        manifest = BatchLedger(services.backend).find(batch_id)
        if manifest is None:
            raise NotFound("batch", batch_id, "it was never run to an end in this store")
        _write_sheet(manifest, services, file)
    if as_json:
        print_json({"batch_id": manifest.batch_id, "file": str(file)})


def run_batch_with(
    planned: Batch, services: Services, *, work_pool: str = "", shard: int = SHARD_ROWS
) -> BatchManifest:
    """Run a planned batch with whatever it needs started beside it; return its manifest, complete or not.

    Prefect is needed only where something is to do, or somebody watches it.
    """
    if not planned.to_do and not work_pool and not is_watched(services.settings):
        return run_unchanged_batch(planned, services)
    from assetmill.local.flow_runs import ready_for  # where nothing is to do, it is not needed

    has_work = bool(planned.totals.wanted)
    # The batch has services of its own, with what its screen shows.
    with (
        interruptible(services) as interrupts,
        ready_for(
            "flows.run_batch", services, interrupts, _say, has_work=has_work, notice=planned.services.notice
        ),
    ):
        return _run_flow(planned, services, work_pool, shard)


def _run_flow(planned: Batch, services: Services, work_pool: str, shard: int) -> BatchManifest:
    from assetmill.local.flow_runs import carry_out
    from flows.run_batch import run_batch
    from tasks.batches import handed_over

    order = planned.order
    total = sum(len(plan.stages) for plan in planned.to_do)
    with handed_over(planned) as handover:
        flow = run_batch(
            order.pipeline,
            order.rows,
            name=order.name,
            common=dict(order.common),
            by=iso(order.by) if order.by else "",
            budget_usd=order.budget_usd,
            shard=shard,
            allow_bad_rows=order.allows_bad_rows,
            retry_blocked=order.retries_blocked,
            order=order.order,
            work_pool=work_pool,
            pay_again=order.pays_again,
            profile=services.settings.profile,
        )
        failed: Exception | None = None
        try:
            with bar(lambda: handover.work.tally if handover.work else None, total, len(planned.to_do)):
                carry_out(flow)
        except (RunFailed, RunStopped) as error:
            failed = error
    if handover.manifest is None:
        raise failed or InvalidInput("the flow ended without a manifest")
    return handover.manifest


def headlines(planned: Batch) -> list[str]:
    """Return what is known before anything is spent: rows, stages, cost, and whether the hour can be met."""
    totals, counts = planned.totals, planned.totals.stages
    rows = len(planned.plans)
    done = sum(plan.is_reused for plan in planned.plans)
    lines = [
        f"{planned.pipeline.name}: {rows} rows ({planned.batch_id}), {done} of them unchanged",
        f"stages: {totals.to_run} to pay for, {counts.get('shared', 0)} shared with another row, "
        f"{counts.get('reuse', 0)} stored already"
        + (f", {counts['review']} to be approved" if counts.get("review") else "")
        + (f", {counts['rejected']} rejected for good" if counts.get("rejected") else "")
        + (f", {counts['held']} held until then" if counts.get("held") else "")
        + (f", {counts['blocked']} in quarantine" if counts.get("blocked") else ""),
    ]
    if totals.to_run:
        lines.append(f"cost: {total_text(totals.cost)}")
    budget = planned.order.budget_usd
    if budget is not None and totals.cost.expected > budget:
        lines.append(f"warning: the budget of {usd(budget)} will not do for all of it")
    if planned.forecast.by is not None and totals.to_run:
        lines.append(f"{'' if planned.forecast.is_met else 'warning: '}{planned.forecast}")
    if planned.outlook and totals.to_run:
        lines += planned.outlook.lines()
    if planned.bad:
        rows_are = (
            "1 row cannot run and is"
            if len(planned.bad) == 1
            else f"{len(planned.bad)} rows cannot run and are"
        )
        lines.append(f"warning: {rows_are} left out")
        lines += [f"  {planned.order.rows}:{bad.number}: {bad.reason}" for bad in planned.bad[:_SHOWN]]
        lines += [f"  and {len(planned.bad) - _SHOWN} more"] if len(planned.bad) > _SHOWN else []
    lines += [f"warning: {warning}" for warning in planned.planner.warnings]
    lines += [f"warning: {text}" for text in _fallbacks(planned)]
    return lines


def _fallbacks(planned: Batch) -> Iterator[str]:
    specs = planned.pipeline.spec.parameters
    for name, rows in planned.fallbacks.items():
        take = "1 row takes" if len(rows) == 1 else f"{len(rows)} rows take"
        value = str(specs[name].default)[:_SHOWN_LETTERS]
        yield (
            f"{take} the default {value!r} for {name}: {planned.order.rows}:{line_numbers(rows)} "
            f"(`required: true` beside the default refuses such rows)"
        )


def plan_document(planned: Batch) -> dict[str, Any]:
    """Return a batch's plan as `--plan --json` shows it."""
    told = planned.forecast
    return {
        "batch_id": planned.batch_id,
        "pipeline": planned.pipeline.name,
        "rows": len(planned.plans),
        "bad_rows": [{"row": bad.number, "reason": bad.reason} for bad in planned.bad],
        "stages": dict(planned.totals.stages),
        "stages_to_run": planned.totals.to_run,
        "cost_usd": planned.totals.cost.amounts(),
        "unknown": list(planned.totals.cost.unknown),
        "unpriced": planned.totals.unpriced,
        "defaults": {name: list(rows) for name, rows in planned.fallbacks.items()},
        "wanted": {name: dict(takes) for name, takes in planned.totals.wanted.items()},
        "forecast": {"seconds": told.seconds, "is_met": told.is_met, "by": told.by, "text": str(told)},
        "lanes": planned.outlook.document() if planned.outlook else None,
    }


def _show_plan(planned: Batch, *, as_json: bool) -> int:
    if as_json:
        print_json(plan_document(planned))
    return 0


def _refuse(error: InvalidRows, *, as_json: bool) -> int:
    click.echo(f"{click.style('error', fg='red')}: {error}", err=True)
    if as_json:
        found = [{"row": number, "reason": reason} for number, reason in error.rows]
        told = {"kind": "InvalidRows", "message": str(error).partition("\n")[0], "rows": found}
        click.echo(json.dumps({"status": "error", "error": told}, indent=2))
    return error.exit_code


def _write_sheet(manifest: BatchManifest, services: Services, file: Path) -> None:
    page = reports.contact_sheet(manifest, services.blobs)
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot write {file}: {error.strerror or error}") from error
    click.echo(f"wrote {file}", err=True)


def _say(text: str) -> None:
    click.echo(text, err=True)
