"""`assetmill approve`: a person's word on what an agent asked for."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Mapping
from typing import Any, cast

import click

from assetmill.agents.approvals import Request, requests_in
from assetmill.agents.outputs import read_response
from assetmill.cli.again import run_again
from assetmill.cli.options import json_option, opened_ledger, print_json, profile_option
from assetmill.errors import NotFound
from assetmill.fingerprint import Fingerprint
from assetmill.records import Approval, RunId
from assetmill.settings import load_settings
from assetmill.spec.reading import nearest
from assetmill.store.ledger import Ledger


@click.command()
@click.argument("run")
@click.argument("stage")
@click.option("--deny", is_flag=True, help="Refuse instead; the agent is told so and goes on without.")
@profile_option
@json_option
def approve(run: str, stage: str, profile: str | None, *, deny: bool, as_json: bool) -> None:
    """Approve what STAGE of RUN waits for.

    The next run of the pipeline goes on from there.

    The first decision counts. Nothing is spent or sent.
    """
    settings = load_settings(profile)
    with opened_ledger(settings) as ledger:
        pipeline, decided = decide(ledger, run, stage, is_granted=not deny)
        start = ledger.find_start(ledger.find_run_of(run, stage))
    if as_json:
        print_json({"pipeline": pipeline, "stage": stage, "decisions": [_json(*pair) for pair in decided]})
        return
    for request, approval in decided:
        click.echo(f"{'approved' if approval.is_granted else 'denied'}: {request.words}")
    click.echo(run_again(pipeline, start, "goes on from there"))


def decide(
    ledger: Ledger, run: str, stage: str, *, is_granted: bool
) -> tuple[str, tuple[tuple[Request, Approval], ...]]:
    """Store a decision on everything that a stage waits for; return the pipeline and what now counts.

    Raises:
        NotFound: no such run or stage, or the stage waits for nothing.
    """
    pipeline, fp = find_stage(ledger, ledger.find_run_of(run, stage), stage)
    requests = pending_requests(ledger, pipeline, fp)
    if not requests:
        raise NotFound("open request", stage, "the stage waits for nobody's approval")
    decided: list[tuple[Request, Approval]] = []
    for request in requests:
        approval = Approval(
            subject=request.subject,
            is_granted=is_granted,
            decided_by=getpass.getuser(),
            created_at=time.time(),
        )
        decided.append((request, ledger.write_approval(pipeline, fp, approval)))
    return pipeline, tuple(decided)


def pending_requests(ledger: Ledger, pipeline: str, fp: Fingerprint) -> tuple[Request, ...]:
    """Return what the newest attempt at a stage waits for, as its last stored response tells it."""
    newest = ledger.newest_attempt(pipeline, fp)
    if newest is None or newest.verdict is not None or newest.turns[-1].receipt is None:
        return ()
    body = json.loads(ledger.read_raw(pipeline, fp, newest.number, newest.turns[-1].intent.turn))
    return requests_in(read_response(cast(Mapping[str, Any], body)).calls, _ASK_ABOUT_ALL)


def find_stage(ledger: Ledger, run_id: RunId, stage: str) -> tuple[str, Fingerprint]:
    """Return the pipeline and the fingerprint of a run's stage, named with its variant.

    Raises:
        NotFound: there is no such stage; of a run that was killed, none at which it began anything, and so
            where its manifest had to be made anew.
    """
    manifest = ledger.read_manifest(run_id)
    if manifest is None:
        return _find_begun(ledger, run_id, stage)
    found = {entry.label: entry.fingerprint for entry in manifest.stages}
    if fp := found.get(stage):
        return manifest.pipeline, fp
    if stage in found:
        return _find_begun(ledger, run_id, stage)
    raise NotFound("stage", stage, nearest(stage, found))


def _find_begun(ledger: Ledger, run_id: RunId, stage: str) -> tuple[str, Fingerprint]:
    start = ledger.find_start(run_id)
    begun = ledger.kept.begun_by(start.pipeline, run_id) if start else {}
    if start is None or stage not in begun:
        known = f"it began {', '.join(begun)}" if begun else "it has not ended, or was killed: run it again"
        raise NotFound("stage", stage, f"of run {run_id}: {known}")
    return start.pipeline, begun[stage]


# The stage's own tools are not known here: what its policy allows by itself is never waited for.
_ASK_ABOUT_ALL = ()


def _json(request: Request, approval: Approval) -> dict[str, object]:
    return {"asked": request.words, "is_granted": approval.is_granted, "decided_by": approval.decided_by}
