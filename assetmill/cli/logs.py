"""`assetmill logs`: what happened in a run and when, as the records of the store tell it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click

from assetmill.cli.options import json_option, opened_ledger, print_json, profile_option, usd, when
from assetmill.records import Intent, Receipt, RunId, RunManifest, StageRecord, Verdict
from assetmill.redaction import redact
from assetmill.settings import load_settings
from assetmill.store import layout
from assetmill.store.kinds import is_stray
from assetmill.store.ledger import Ledger
from assetmill.store.record_objects import RecordObjects


class Happening(NamedTuple):
    """One thing that a record tells, with its time in Unix seconds."""

    at: float
    label: str
    text: str


@click.command()
@click.argument("run")
@profile_option
@json_option
def logs(run: str, profile: str | None, *, as_json: bool) -> None:
    """Say what happened in RUN, and when.

    A line for each event. RUN is an ID, its beginning, or `latest`.

    Told from the records of the store, so also for a run that was killed, or that was
    carried out on another machine.
    """
    with opened_ledger(load_settings(profile)) as ledger:
        run_id = ledger.find_run(run)
        told = sorted(happenings(ledger, run_id))
    if as_json:
        events = [{"at": one.at, "label": one.label, "message": one.text} for one in told]
        return print_json({"run_id": run_id, "events": events})
    for at, label, text in told:
        click.echo(f"{when(at)}  {label}  {text}")
    return None


def happenings(ledger: Ledger, run_id: RunId) -> Iterator[Happening]:
    """Yield what the records tell of a run, in no order."""
    start, manifest = ledger.read_start(run_id), ledger.read_manifest(run_id)
    if start is not None:
        yield Happening(start.started_at, start.pipeline, f"begun, {len(start.stages)} stages")
    if reason := ledger.cancelled(run_id):
        yield Happening(start.started_at if start else 0.0, "run", f"called off: {reason}")
    known = start or manifest
    if known is not None:
        yield from _attempts(ledger, known.pipeline, run_id)
    if manifest is not None:
        yield from _end(manifest)


def _end(manifest: RunManifest) -> Iterator[Happening]:
    for entry in manifest.stages:
        if entry.status == "reused":
            yield Happening(manifest.finished_at, entry.label, "reused")
        elif entry.error:
            yield Happening(manifest.finished_at, entry.label, redact(f"{entry.status}: {entry.error}"))
    spent = usd(manifest.spent_usd)
    yield Happening(manifest.finished_at, manifest.pipeline, f"{manifest.status}, spent {spent}")


def _attempts(ledger: Ledger, pipeline: str, run_id: RunId) -> Iterator[Happening]:
    """Yield what became of every attempt that the run began."""
    backend = ledger.backend
    records = RecordObjects(backend)
    for entry in backend.list(layout.intents_of(pipeline)):
        intent = None if is_stray(entry.key) else records.read_or_warn(entry.key, Intent)
        if intent is not None and intent.run_id == run_id:
            yield from _attempt(records, entry.key, intent)
    for entry in backend.list(layout.stages_of(pipeline)):
        record = records.read_or_warn(entry.key, StageRecord)
        if record is not None and record.run_id == run_id:
            made = f"done, {usd(record.cost_usd)}: {', '.join(asset.name for asset in record.outputs)}"
            yield Happening(record.finished_at, record.label, made)


def _attempt(records: RecordObjects, key: str, intent: Intent) -> Iterator[Happening]:
    stem = key.removeprefix(layout.INTENTS)
    turn = f", turn {intent.turn}" if intent.turn > 1 else ""
    yield Happening(
        intent.created_at, intent.stage, f"attempt {intent.attempt}{turn} intended ({intent.way})"
    )
    receipt = records.read(f"{layout.RECEIPTS}{stem}", Receipt)
    if receipt is not None:
        yield Happening(receipt.created_at, intent.stage, f"{receipt.response_id} by {receipt.how}")
    verdict = records.read(f"{layout.VERDICTS}{stem.rpartition('.')[0]}", Verdict)
    if verdict is not None and intent.turn == 1:
        said = redact(f"attempt {intent.attempt} {verdict.kind}: {verdict.reason}")
        yield Happening(verdict.created_at, intent.stage, said)
