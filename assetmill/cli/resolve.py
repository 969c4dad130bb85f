"""`assetmill resolve`: what a person decides about a stage of which the service left no evidence."""

from __future__ import annotations

import getpass
import time

import click

from assetmill.cli.approve import find_stage
from assetmill.cli.options import profile_option
from assetmill.errors import HandleExpired, InvalidInput, NotFound
from assetmill.records import Receipt, Verdict
from assetmill.settings import load_settings
from assetmill.stage.adopting import find_response
from assetmill.stage.owners import is_alive
from assetmill.stage.services import Services, open_services
from assetmill.store.ledger import Turn

_PAUSE_S = 10.0


@click.command()
@click.argument("run")
@click.argument("stage")
@click.option("--wait", "choice", flag_value="wait", help="Look at the service until it shows something.")
@click.option("--retry", "choice", flag_value="retry", help="Pay again, though the first may have been paid.")
@click.option("--give-up", "choice", flag_value="give_up", help="Never pay for this stage as it is now.")
@click.option("--for", "wait_s", type=float, default=600.0, help="Seconds that --wait looks. [600]")
@profile_option
def resolve(run: str, stage: str, choice: str | None, wait_s: float, profile: str | None) -> int:
    """Decide what becomes of STAGE of RUN, whose last attempt is in doubt.

    Whatever is chosen, the service is asked first: a response that it shows is kept, not paid for again.
    """
    if choice is None:
        raise InvalidInput("say --wait, --retry or --give-up")
    settings = load_settings(profile)
    if settings.uses_emulator:
        from assetmill.local.services import local_services

        with local_services(settings, prefect=False) as local:
            local.wait_for_emulator()
            return _resolve(run, stage, choice, wait_s, profile)
    return _resolve(run, stage, choice, wait_s, profile)


def _resolve(run: str, stage: str, choice: str, wait_s: float, profile: str | None) -> int:
    with open_services(load_settings(profile)) as services:
        pipeline, fp = find_stage(services.ledger, services.ledger.find_run(run), stage)
        newest = services.ledger.newest_attempt(pipeline, fp)
        if newest is None or newest.verdict is not None or newest.turns[-1].receipt is not None:
            raise NotFound("doubt", stage, "its last attempt is decided: run the pipeline again")
        last = newest.turns[-1]
        response_id = _find(services, last, fp, wait_s if choice == "wait" else 0.0)
        if response_id is None and choice != "wait":
            response_id = _close(services, last, fp)
        if response_id is not None:
            receipt = Receipt(response_id=response_id, how="adopted", created_at=time.time())
            services.ledger.write_receipt(pipeline, fp, newest.number, last.intent.turn, receipt)
            click.echo(
                f"the service has it: {response_id}\nNext:\n  assetmill run {pipeline}    goes on from there"
            )
            return 0
        if choice == "wait":
            click.echo(f"the service still shows nothing in {last.intent.conversation_id}", err=True)
            return 1
        kind = "abandoned" if choice == "retry" else "given_up"
        reason = f"{'to be paid again' if choice == 'retry' else 'given up'}, says {getpass.getuser()}"
        verdict = Verdict(
            kind=kind, error="StageInDoubt", reason=reason, run_id=last.intent.run_id, created_at=time.time()
        )
        services.ledger.write_verdict(pipeline, fp, newest.number, verdict)
        after = "pays for it again" if choice == "retry" else "leaves it out until something about it changes"
        click.echo(f"{stage}: {reason}\nNext:\n  assetmill run {pipeline}    {after}")
        return 0


def _close(services: Services, turn: Turn, fp: str) -> str | None:
    """Make a late arrival impossible and look once more, before a person's word licenses another spend.

    Raises:
        InvalidInput: a worker may be about to post, so there is nothing to decide yet.
    """
    intent = turn.intent
    left_s = intent.lease_until - services.clock()
    if left_s >= 0 and is_alive(intent.owner):
        raise InvalidInput(f"{intent.owner} may be at work on it: try again in {left_s:.0f} s")
    services.gateway.delete_conversation(intent.conversation_id)
    settle_s = services.settings.foundry.settle_s
    click.echo(f"closed {intent.conversation_id}; looking once more in {settle_s:.0f} s", err=True)
    services.wait(settle_s)
    return _find(services, turn, fp, 0.0)


def _find(services: Services, turn: Turn, fp: str, wait_s: float) -> str | None:
    """Return the response of an intent when the service lists one within `wait_s` seconds."""
    if turn.intent.endpoint != services.gateway.endpoint:
        raise InvalidInput(f"the attempt went to {turn.intent.endpoint}: use the profile of that endpoint")
    until = time.monotonic() + wait_s
    while True:
        try:
            listed = services.gateway.list_responses(turn.intent.conversation_id)
        except HandleExpired:
            return None  # it shows nothing of a conversation that is closed
        if found := find_response(turn.intent, listed, fp, ()):
            return found.response_id
        if time.monotonic() >= until:
            return None
        services.wait(min(_PAUSE_S, max(0.1, until - time.monotonic())))
