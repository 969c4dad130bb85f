"""`assetmill approve`: a person's word on what an agent asked for."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import click

from assetmill.agents.approvals import Request, requests_in
from assetmill.agents.outputs import read_response
from assetmill.cli.options import json_option, opened_ledger, print_json, profile_option
from assetmill.cli.stage_places import StagePlace, find_places
from assetmill.errors import NotFound
from assetmill.fingerprint import Fingerprint
from assetmill.records import Approval
from assetmill.settings import load_settings
from assetmill.store.ledger import Ledger


@click.command()
@click.argument("run")
@click.argument("stage")
@click.option("--deny", is_flag=True, help="Refuse instead; the agent is told so and goes on without.")
@click.option("--row", "rows", multiple=True, help="Of a batch: this row, by its name or line. Repeatable.")
@profile_option
@json_option
def approve(
    run: str, stage: str, rows: tuple[str, ...], profile: str | None, *, deny: bool, as_json: bool
) -> None:
    """Approve what STAGE of RUN waits for.

    The next run of the pipeline goes on from there. RUN may be a batch: then STAGE is meant of every row that
    waits, or of --row alone.

    The first decision counts. Nothing is spent or sent.
    """
    settings = load_settings(profile)
    with opened_ledger(settings) as ledger:
        decided = decide(ledger, run, stage, rows, is_granted=not deny)
    place = decided[0][0]
    if as_json:
        decisions = [_json(*one) for one in decided]
        print_json({"pipeline": place.pipeline, "stage": stage, "decisions": decisions})
        return
    for waiting, request, approval in decided:
        of_row = f"row {waiting.row}: " if waiting.row else ""
        click.echo(f"{of_row}{'approved' if approval.is_granted else 'denied'}: {request.words}")
    click.echo(place.again("goes on from there"))


def decide(
    ledger: Ledger, run: str, stage: str, rows: Sequence[str] = (), *, is_granted: bool
) -> list[tuple[StagePlace, Request, Approval]]:
    """Store a decision on everything that a stage waits for, of a batch's rows of each; return what counts.

    Raises:
        NotFound: no such run or stage, or the stage waits for nothing.
    """
    places = find_places(ledger, run, stage, rows)
    waiting = [(place, request) for place in places for request in pending_requests(ledger, *place.key)]
    if not waiting:
        raise NotFound("open request", stage, "the stage waits for nobody's approval")
    decided: list[tuple[StagePlace, Request, Approval]] = []
    for place, request in waiting:
        approval = Approval(
            subject=request.subject,
            is_granted=is_granted,
            decided_by=getpass.getuser(),
            created_at=time.time(),
        )
        decided.append((place, request, ledger.write_approval(*place.key, approval)))
    return decided


def pending_requests(ledger: Ledger, pipeline: str, fp: Fingerprint) -> tuple[Request, ...]:
    """Return what the newest attempt at a stage waits for, as its last stored response tells it."""
    newest = ledger.newest_attempt(pipeline, fp)
    if newest is None or newest.verdict is not None or newest.turns[-1].receipt is None:
        return ()
    body = json.loads(ledger.read_raw(pipeline, fp, newest.number, newest.turns[-1].intent.turn))
    return requests_in(read_response(cast(Mapping[str, Any], body)).calls, _ASK_ABOUT_ALL)


# The stage's own tools are not known here: what its policy allows by itself is never waited for.
_ASK_ABOUT_ALL = ()


def _json(place: StagePlace, request: Request, approval: Approval) -> dict[str, object]:
    said = {"asked": request.words, "is_granted": approval.is_granted, "decided_by": approval.decided_by}
    return {**said, "row": place.row or None}
