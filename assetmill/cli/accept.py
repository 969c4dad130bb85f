"""`assetmill accept`: a file that was paid for and not taken becomes its stage's output after all."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from assetmill.batches.origins import Origins
from assetmill.cli.again import batch_again, run_again
from assetmill.cli.options import asset_json, json_option, print_json, profile_option
from assetmill.cli.review import only_reviewer
from assetmill.errors import InvalidInput, NotFound
from assetmill.fingerprint import Fingerprint
from assetmill.history.assets import AssetFinder
from assetmill.plan.calls import StageCall
from assetmill.records import AssetRecord, RunId, StageRecord
from assetmill.reviews.desk import Desk
from assetmill.reviews.ledger import ReviewLedger
from assetmill.reviews.reviewers import read_reviewers
from assetmill.runs.instead import take_instead
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import load_settings
from assetmill.stage import deciding
from assetmill.stage.candidates import known_candidates
from assetmill.stage.services import Services, open_services
from assetmill.store.index import Index
from assetmill.store.kept import is_kept


@click.command()
@click.argument("asset", metavar="ASSET")
@click.option(
    "--by",
    "reviewer",
    metavar="NAME",
    help="Who takes another candidate; needed when several keys are here.",
)
@profile_option
@json_option
def accept(asset: str, reviewer: str | None, profile: str | None, *, as_json: bool) -> None:
    """Make ASSET, which was refused, its stage's output.

    Its stage or its checks refused it; nothing is paid again.

    ASSET is given as for `assetmill edit`; `assetmill assets --all` lists what there is. The decision is
    recorded beside the reason that spoke against it. Where the stage waits for reviewers, a candidate can
    be taken instead of what it has: one of them rejects that and approves this.
    """
    with open_services(load_settings(profile)) as services:
        finder = AssetFinder(services.ledger, Index(services.backend, services.ledger))
        record = accepted(finder.find(asset), services, reviewer)
        text = told(record, services)
    if as_json:
        decision = record.decision.model_dump(mode="json") if record.decision else None
        listed = [asset_json(one, record) for one in record.outputs]
        return print_json({"stage": record.label, "decision": decision, "assets": listed})
    return click.echo(text)


def accepted(asset: AssetRecord, services: Services, reviewer: str | None = None) -> StageRecord:
    """Commit a file as its stage's output, by the word of `reviewer` where it has another one.

    Raises:
        InvalidInput: the stage has an output, or its attempt is not over.
    """
    if not is_kept(asset.asset_id):
        return _chosen_draw(asset, services, reviewer)
    found = services.ledger.kept.find(asset.asset_id)
    if found is None or not found.pipeline:
        raise NotFound("run", asset.asset_id, "the run that paid for it is not in this store")
    call = asked_for(services, found.run_id, found.fingerprint)
    own = call if call and call.fingerprint == found.fingerprint else None
    record = deciding.accept(found, own, services, getpass.getuser())
    return finish(record, call, services)


def finish(record: StageRecord, call: StageCall | None, services: Services) -> StageRecord:
    """Return the record that the stage now has: of a stage with checks, the choice of this draw."""
    if call is None or call.acceptance is None:
        return record
    return deciding.choose(record, call, services, getpass.getuser())


def _chosen_draw(asset: AssetRecord, services: Services, reviewer: str | None) -> StageRecord:
    """Choose a draw that was finished and that checks refused, or that another one was preferred to."""
    record = services.ledger.read_stage_of(asset.asset_id)
    if record is None:
        raise NotFound("stage", asset.asset_id, "its record is lost")
    call = asked_for(services, record.run_id, record.fingerprint)
    is_draw = call is not None and call.acceptance is not None and call.fingerprint != record.fingerprint
    if call and is_draw and services.ledger.read_stage(call.pipeline, call.fingerprint) is None:
        return deciding.choose(record, call, services, getpass.getuser())
    desk = Desk(
        read_reviewers(services.settings.configs), ReviewLedger(services.backend), services.settings.home
    )
    plan_anew = Origins(services).plan
    return take_instead(asset.asset_id, plan_anew, services, desk, lambda: reviewer or only_reviewer(desk))


def asked_for(services: Services, run_id: RunId, fp: Fingerprint) -> StageCall | None:
    """Return the call that has a fingerprint, or a draw with it, as its pipeline asks for it now."""
    start = services.ledger.read_start(run_id)
    if start is None:
        return None
    pipeline = start.spec_path if Path(start.spec_path).is_file() else start.pipeline
    try:
        plan = plan_pipeline(pipeline, start.parameters, services.settings, services.ledger)
    except InvalidInput:
        return None  # its file is gone or has changed: what was paid for is there all the same
    for call in (stage.call for stage in plan.stages if stage.call):
        draws = known_candidates(call, services.ledger) if call.acceptance else ()
        if call.fingerprint == fp or any(one.call.fingerprint == fp for one in draws):
            return call
    return None


def told(record: StageRecord, services: Services) -> str:
    """Say what a stage's output is now."""
    names = ", ".join(f"{one.name} ({one.asset_id})" for one in record.outputs if one.role == "output")
    origin, goes_on = Origins(services).find(record), "goes on from there; this stage is not paid again"
    if origin and origin.batch_id:
        after = batch_again(origin.batch_id, goes_on)
    else:
        after = run_again(record.pipeline, services.ledger.find_start(record.run_id), goes_on)
    return f"{record.label}: {names or 'nothing'}\n{after}"
