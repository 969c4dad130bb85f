"""`assetmill resolve`: what a person decides about a stage that cannot end by itself.

Either the service left no evidence of its last attempt, or it was paid for and is not whole.
"""

from __future__ import annotations

import getpass
import time
from contextlib import suppress
from dataclasses import dataclass

import click

from assetmill.cli.accept import asked_for, finish, told
from assetmill.cli.again import asked_again, run_again
from assetmill.cli.approve import find_stage
from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.errors import HandleExpired, InvalidInput, KeyMissing, NotFound
from assetmill.fingerprint import Fingerprint
from assetmill.names import is_same_endpoint
from assetmill.records import Approval, Intent, Receipt, RunStart, Verdict
from assetmill.settings import load_settings
from assetmill.stage.adopting import find_response
from assetmill.stage.deciding import accept_partial
from assetmill.stage.failures import lifting
from assetmill.stage.owners import is_alive
from assetmill.stage.patience import closing_s
from assetmill.stage.repeats import again_subject, draws_subject
from assetmill.stage.services import Services, open_services
from assetmill.store.attempts import Attempt, Turn

_PAUSE_S = 10.0


@click.command()
@click.argument("run")
@click.argument("stage")
@click.option("--wait", "choice", flag_value="wait", help="Look at the service until it shows something.")
@click.option("--retry", "choice", flag_value="retry", help="Pay again, though the first may have been paid.")
@click.option("--give-up", "choice", flag_value="give_up", help="Never pay for this stage as it is now.")
@click.option("--retry-now", "choice", flag_value="retry_now", help="Wait no more for a quota: it is back.")
@click.option(
    "--accept-partial", "choice", flag_value="accept_partial", help="Take what was kept for the whole."
)
@click.option("--unasked", is_flag=True, help="Its endpoint is no more: decide without asking it.")
@click.option("--for", "wait_s", type=float, default=600.0, help="Seconds that --wait looks. [600]")
@profile_option
@json_option
def resolve(
    run: str,
    stage: str,
    choice: str | None,
    wait_s: float,
    profile: str | None,
    *,
    unasked: bool,
    as_json: bool,
) -> int:
    """Decide what becomes of STAGE of RUN.

    Its last attempt is in doubt, was in vain, or waits for a quota.

    So it is with one whose checks took none of its draws: --retry draws again, --give-up never does.

    Whatever is chosen about a doubt, the service is asked first: a response that it shows is kept, not paid
    for again. Where its endpoint is no more, --unasked does without. Of an image model that was called itself
    nothing can be asked: your word alone counts.
    """
    if choice is None:
        raise InvalidInput("say --wait, --retry, --retry-now, --give-up or --accept-partial")
    settings = load_settings(profile)
    if choice == "retry_now":
        with open_services(settings) as services:
            resolved = _lift(services, _place_of(services, run, stage))
    elif settings.uses_emulator:
        from assetmill.local.services import local_services

        with local_services(settings, prefect=False) as local:
            local.wait_for_emulator()
            resolved = _resolve(run, stage, choice, wait_s, profile, unasked=unasked)
    else:
        resolved = _resolve(run, stage, choice, wait_s, profile, unasked=unasked)
    is_decided = resolved.outcome != "open"
    if as_json:
        print_json({"stage": stage, **vars(resolved)})
    else:
        click.echo(resolved.text, err=not is_decided)
    return 0 if is_decided else 1


@dataclass(frozen=True)
class Resolved:
    """What was decided. `outcome`: adopted, accepted, retry, retry_now, give_up, or open when nothing is."""

    outcome: str
    text: str
    response_id: str | None = None


def _resolve(
    run: str, stage: str, choice: str, wait_s: float, profile: str | None, *, unasked: bool
) -> Resolved:
    with open_services(load_settings(profile)) as services:
        place = _place_of(services, run, stage)
        newest = services.ledger.newest_attempt(place.pipeline, place.fp)
        if newest is None and (refusals := _refusals(services, place)):
            return _settle_draws(services, place, refusals, choice)
        if newest is None or (newest.verdict and not _is_lost(newest.verdict)):
            raise NotFound("doubt", stage, "its last attempt is decided: run the pipeline again")
        if newest.verdict is not None:
            return _settle(services, place, newest, choice)
        last = newest.turns[-1]
        is_asked = _is_asked(services, last.intent, choice, unasked=unasked)
        if last.receipt is not None:
            return _abandon(services, place, newest, choice, is_asked=is_asked)
        if choice == "accept_partial":
            raise InvalidInput("nothing of it is known: --wait looks for it, --retry or --give-up ends it")
        if last.intent.way == "direct":
            _check_lost(services, last.intent, choice, place.key)
            response_id = None
        elif not is_asked:
            _check_idle(services, last.intent)
            response_id = None
        else:
            response_id = _find(services, last, place.fp, wait_s if choice == "wait" else 0.0)
            if response_id is None and choice != "wait":
                response_id = _close(services, last, place.fp)
        if response_id is not None:
            receipt = Receipt(response_id=response_id, how="adopted", created_at=time.time())
            services.ledger.write_receipt(*place.key, newest.number, last.intent.turn, receipt)
            text = f"the service has it: {response_id}\n{place.again('goes on from there')}"
            return Resolved("adopted", text, response_id)
        if choice == "wait":
            return Resolved("open", f"the service still shows nothing in {last.intent.conversation_id}")
        kind = "abandoned" if choice == "retry" else "given_up"
        reason = f"{'to be paid again' if choice == 'retry' else 'given up'}, says {getpass.getuser()}"
        verdict = Verdict(
            kind=kind, error="StageInDoubt", reason=reason, run_id=last.intent.run_id, created_at=time.time()
        )
        services.ledger.write_verdict(*place.key, newest.number, verdict)
        after = "pays for it again" if choice == "retry" else "leaves it out until something about it changes"
        return Resolved(choice, f"{stage}: {reason}\n{place.again(after)}")


@dataclass(frozen=True)
class _RunStage:
    """A stage of a run, and how that run began."""

    stage: str
    pipeline: str
    fp: Fingerprint
    start: RunStart | None

    @property
    def key(self) -> tuple[str, Fingerprint]:
        """What the stage's records lie under."""
        return self.pipeline, self.fp

    @property
    def command(self) -> str:
        """The command that asks for the run once more."""
        return asked_again(self.pipeline, self.start)

    def again(self, after: str = "") -> str:
        """Return the hint of what to do next."""
        return run_again(self.pipeline, self.start, after)


def _place_of(services: Services, run: str, stage: str) -> _RunStage:
    """Return where a run's stage has its records.

    Raises:
        NotFound: no such run or stage, or the run has not ended.
    """
    run_id = services.ledger.find_run_of(run, stage)
    pipeline, fp = find_stage(services.ledger, run_id, stage)
    return _RunStage(stage, pipeline, fp, services.ledger.find_start(run_id))


def _check_lost(services: Services, intent: Intent, choice: str, place: tuple[str, Fingerprint]) -> None:
    """Make sure that the reply to a direct call is lost, and that nobody may be about to store it.

    Raises:
        InvalidInput: there is nothing to wait for, its worker lives, or a run would take what is stored.
    """
    if choice == "wait":
        raise InvalidInput("an image model that was called itself can be asked nothing: --retry or --give-up")
    _check_idle(services, intent)
    with suppress(KeyMissing):
        services.ledger.read_raw(*place, intent.attempt, intent.turn)
        raise InvalidInput(f"its reply is stored: `assetmill run {place[0]}` goes on from there")


def _is_lost(verdict: Verdict) -> bool:
    """Whether an attempt was paid for and came to nothing that its stage takes."""
    return verdict.kind == "failed" and verdict.cost_usd != 0.0


def _settle(services: Services, place: _RunStage, newest: Attempt, choice: str) -> Resolved:
    """Note what becomes of a stage whose attempt was paid for and failed.

    Raises:
        InvalidInput: there is nothing to wait for, or to accept.
    """
    if choice == "wait":
        raise InvalidInput(f"there is nothing to wait for: `{place.command}` asks the service again")
    if choice == "accept_partial":
        call = asked_for(services, newest.turns[0].intent.run_id, place.fp)
        own = call if call and call.fingerprint == place.fp else None
        record = accept_partial(*place.key, own, services, getpass.getuser())
        return Resolved("accepted", told(finish(record, call, services), services))
    word = Approval(
        subject=again_subject(newest.number),
        is_granted=choice == "retry",
        decided_by=getpass.getuser(),
        created_at=services.clock(),
    )
    _write_word(services, place, word)
    after = "pays for it again" if word.is_granted else "leaves it out until something about it changes"
    return Resolved(choice, f"{newest.turns[0].intent.stage}: noted\n{place.again(after)}")


def _refusals(services: Services, place: _RunStage) -> list[Verdict]:
    """Return what runs noted of a stage with checks whose draws they all refused, the newest last."""
    found: list[Verdict] = []
    while verdict := services.ledger.read_verdict(*place.key, len(found) + 1):
        found.append(verdict)
    return found


def _settle_draws(services: Services, place: _RunStage, refusals: list[Verdict], choice: str) -> Resolved:
    """Note whether a stage whose checks took none of its draws is drawn again.

    Raises:
        InvalidInput: there is nothing to wait for; or a draw is to be taken, which has a command of its own.
    """
    if choice == "wait":
        raise InvalidInput(
            "there is nothing to wait for: its checks took none of its draws. --retry draws again, --give-up "
            "never does, `assetmill accept` takes one that is there"
        )
    if choice == "accept_partial":
        kept = [
            f"  assetmill accept {asset.asset_id}    {asset.name}: {asset.rejected}"
            for asset in refusals[-1].kept
        ]
        raise InvalidInput("\n".join(["its checks took none of its draws; take one of them:", *kept]))
    word = Approval(
        subject=draws_subject(len(refusals)),
        is_granted=choice == "retry",
        decided_by=getpass.getuser(),
        created_at=services.clock(),
    )
    _write_word(services, place, word)
    after = "draws again" if word.is_granted else "leaves it out until something about it changes"
    return Resolved(choice, f"{place.stage}: noted\n{place.again(after)}")


def _write_word(services: Services, place: _RunStage, word: Approval) -> None:
    """Store a person's word.

    Raises:
        InvalidInput: another one came before.
    """
    counts = services.ledger.write_approval(*place.key, word)
    if counts.is_granted != word.is_granted:
        raise InvalidInput(f"{counts.decided_by} decided otherwise before, and the first decision counts")


def _is_asked(services: Services, intent: Intent, choice: str, *, unasked: bool) -> bool:
    """Whether the service is asked what became of an attempt: only an endpoint that is no more is not.

    Raises:
        InvalidInput: it went to another endpoint than the profile's, or the profile's is not to be asked.
    """
    is_elsewhere = intent.way != "direct" and not is_same_endpoint(intent.endpoint, services.gateway.endpoint)
    if is_elsewhere and not (unasked and choice in {"retry", "give_up"}):
        raise InvalidInput(
            f"the attempt went to {intent.endpoint}: use the profile of that endpoint; where it is no more, "
            "--unasked with --retry (perhaps pays twice) or --give-up decides without it"
        )
    if unasked and not is_elsewhere:
        raise InvalidInput(
            "--unasked is for an endpoint that is no more: the attempt went to the profile's own"
        )
    return not is_elsewhere


def _abandon(
    services: Services, place: _RunStage, newest: Attempt, choice: str, *, is_asked: bool
) -> Resolved:
    """End an attempt whose response the service has taken and nobody waits for any more.

    What the service has finished is kept: it is paid for, and asking for the run again takes it.

    Raises:
        InvalidInput: a worker is at it, or a run would end it by itself.
    """
    last = newest.turns[-1]
    if choice not in {"retry", "give_up"} or last.receipt is None:
        raise InvalidInput(f"the service has it: `{place.command}` goes on from there")
    _check_idle(services, last.intent)
    if is_asked and _is_made(services, last.receipt):
        response_id = last.receipt.response_id
        text = f"the service has made it: {response_id}\n{place.again('takes it, and pays nothing again')}"
        return Resolved("adopted", text, response_id)
    verdict = Verdict(
        kind="abandoned" if choice == "retry" else "given_up",
        error="StageFailed",
        reason=f"{'to be paid again' if choice == 'retry' else 'given up'}, says {getpass.getuser()}",
        response_id=last.receipt.response_id,
        run_id=last.intent.run_id,
        created_at=services.clock(),
    )
    counts = services.ledger.write_verdict(*place.key, newest.number, verdict)
    if is_asked:
        services.gateway.delete_conversation(last.intent.conversation_id)
    return Resolved(choice, f"{last.intent.stage}: {counts.reason}\n{place.again()}")


def _is_made(services: Services, receipt: Receipt) -> bool:
    """Whether the service has finished what a turn asked for."""
    try:
        return services.gateway.get_response(receipt.response_id).status == "completed"
    except HandleExpired:
        return False


def _check_idle(services: Services, intent: Intent) -> None:
    left_s = intent.lease_until - services.clock()
    if left_s >= 0 and is_alive(intent.owner):
        raise InvalidInput(f"{intent.owner} may be at work on it: try again in {left_s:.0f} s")


def _lift(services: Services, place: _RunStage) -> Resolved:
    """Let a stage ask again at once that a quota has refused: its workers look at this while they wait.

    Raises:
        NotFound: it waits for no quota.
    """
    newest = services.ledger.newest_attempt(*place.key)
    verdict = newest.verdict if newest else None
    if newest is None or verdict is None or (verdict.not_before or 0.0) <= services.clock():
        raise NotFound("wait", place.stage, "it waits for no quota: run the pipeline again")
    services.ledger.write_approval(
        *place.key,
        Approval(
            subject=lifting(newest.number),
            is_granted=True,
            decided_by=getpass.getuser(),
            created_at=services.clock(),
        ),
    )
    said = f"{place.stage}: asks again at once, says {getpass.getuser()}"
    after = place.again("unless a run is waiting: that one goes on by itself")
    return Resolved("retry_now", f"{said}\n{after}")


def _close(services: Services, turn: Turn, fp: str) -> str | None:
    """Make a late arrival impossible and look once more, before a person's word licenses another spend.

    Raises:
        InvalidInput: a worker may be about to post, so there is nothing to decide yet.
    """
    intent = turn.intent
    _check_idle(services, intent)
    services.gateway.delete_conversation(intent.conversation_id)
    settle_s = closing_s(intent, services.settings.foundry)
    click.echo(f"closed {intent.conversation_id}; looking once more in {settle_s:.0f} s", err=True)
    services.wait(settle_s)
    return _find(services, turn, fp, 0.0)


def _find(services: Services, turn: Turn, fp: str, wait_s: float) -> str | None:
    """Return the response of an intent when the service lists one within `wait_s` seconds."""
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
