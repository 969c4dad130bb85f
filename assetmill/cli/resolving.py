"""What a person decides about stages that cannot end by themselves: the service is asked first."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import click

from assetmill.cli.accept import asked_for, finish, told
from assetmill.cli.stage_places import StagePlace
from assetmill.errors import AssetmillError, HandleExpired, InvalidInput, KeyMissing, NotFound
from assetmill.fingerprint import Fingerprint
from assetmill.names import counted, is_same_endpoint
from assetmill.records import Approval, Intent, Receipt, Verdict
from assetmill.stage.adopting import find_response
from assetmill.stage.deciding import accept_partial
from assetmill.stage.failures import lifting
from assetmill.stage.owners import is_alive
from assetmill.stage.patience import closing_s
from assetmill.stage.repeats import again_subject, draws_subject
from assetmill.stage.services import Services
from assetmill.store.attempts import Attempt, Turn

_PAUSE_S = 10.0
_LEFT_OUT = "leaves it out until something about it changes"
_Key = tuple[str, Fingerprint]
T = TypeVar("T")


@dataclass(frozen=True)
class Resolved:
    """What was decided. `outcome`: adopted, accepted, retry, retry_now, give_up, or open when nothing is."""

    outcome: str
    said: str
    after: str = ""
    """What to type next, as a hint of several lines."""
    response_id: str | None = None

    @property
    def text(self) -> str:
        """All of it, as a person reads it."""
        return "\n".join(filter(None, (self.said, self.after)))


@dataclass(frozen=True)
class _Doubt:
    """An attempt that was sent or not. `is_asked`: its endpoint can still be asked."""

    place: StagePlace
    newest: Attempt
    is_asked: bool

    @property
    def last(self) -> Turn:
        return self.newest.turns[-1]


def open_places(services: Services, places: Sequence[StagePlace], choice: str) -> tuple[StagePlace, ...]:
    """Return those of many stages about which something is to be decided; a single one is looked at later."""
    if len(places) == 1:
        return tuple(places)
    return tuple(place for place in places if _is_open(services, place, choice))


def _is_open(services: Services, place: StagePlace, choice: str) -> bool:
    newest = services.ledger.newest_attempt(*place.key)
    if choice == "retry_now":
        return _is_waiting(services, newest)
    if newest is None:
        return bool(_refusals(services, place))
    return newest.verdict is None or _is_lost(newest.verdict)


def _is_waiting(services: Services, newest: Attempt | None) -> bool:
    """Whether a quota has refused a stage's newest attempt, and is waited for."""
    verdict = newest.verdict if newest else None
    return verdict is not None and (verdict.not_before or 0.0) > services.clock()


def decide(
    services: Services, places: Sequence[StagePlace], choice: str, wait_s: float, *, unasked: bool
) -> list[Resolved]:
    """Decide about stages, in their order. All of them are waited for together.

    Of several, what cannot be decided is told as open and keeps no other from being decided.

    Raises:
        InvalidInput, NotFound: the only one cannot be decided so, or there is nothing to decide.
    """
    steps = _Steps(is_alone=len(places) == 1)
    if choice == "retry_now":
        return [steps.take(lambda place=place: _lift(services, place)) for place in places]
    begun = [
        steps.take(lambda place=place: _begin(services, place, choice, unasked=unasked)) for place in places
    ]
    shown = _look(services, _silent(begun, {}), wait_s if choice == "wait" else 0.0)
    if choice != "wait":
        silent = _silent(begun, shown)
        begun = [steps.take(lambda one=one: _idle(services, one)) if one in silent else one for one in begun]
        shown |= _close(services, _silent(begun, shown))
    return [
        one
        if isinstance(one, Resolved)
        else steps.take(lambda one=one: _end(services, one, choice, shown.get(one.place.key)))
        for one in begun
    ]


@dataclass(frozen=True)
class _Steps:
    """Carries steps out for one stage, whose errors are raised, or for many, of which each has its own."""

    is_alone: bool

    def take(self, step: Callable[[], T]) -> T | Resolved:
        try:
            return step()
        except AssetmillError as error:
            if self.is_alone:
                raise
            return Resolved("open", str(error))


def _begin(services: Services, place: StagePlace, choice: str, *, unasked: bool) -> Resolved | _Doubt:
    """Decide about a stage where that needs no look at the service; else return what is to be looked at."""
    newest = services.ledger.newest_attempt(*place.key)
    if newest is None and (refusals := _refusals(services, place)):
        return _settle_draws(services, place, refusals, choice)
    if newest is None or (newest.verdict and not _is_lost(newest.verdict)):
        raise NotFound("doubt", place.named, "its last attempt is decided: run the pipeline again")
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
        is_asked = False
    elif not is_asked:
        _check_idle(services, last.intent)
    return _Doubt(place, newest, is_asked)


def _silent(begun: Iterable[Resolved | _Doubt], shown: Mapping[_Key, str]) -> list[_Doubt]:
    """Return what the service can be asked about, and has not shown."""
    doubts = (one for one in begun if isinstance(one, _Doubt))
    return [one for one in doubts if one.is_asked and one.place.key not in shown]


def _idle(services: Services, doubt: _Doubt) -> _Doubt:
    """Return a doubt about which a person may decide.

    Raises:
        InvalidInput: a worker may be about to post, so there is nothing to decide yet.
    """
    _check_idle(services, doubt.last.intent)
    return doubt


def _close(services: Services, doubts: Sequence[_Doubt]) -> dict[_Key, str]:
    """Make late arrivals impossible and look once more, before a person's word licenses another spend."""
    if not doubts:
        return {}
    for one in doubts:
        services.gateway.delete_conversation(one.last.intent.conversation_id)
    settle_s = max(closing_s(one.last.intent, services.settings.foundry) for one in doubts)
    first = doubts[0].last.intent.conversation_id
    closed = first if len(doubts) == 1 else counted(len(doubts), "conversation")
    click.echo(f"closed {closed}; looking once more in {settle_s:.0f} s", err=True)
    services.wait(settle_s)
    return _look(services, doubts, 0.0)


def _look(services: Services, doubts: Sequence[_Doubt], wait_s: float) -> dict[_Key, str]:
    """Return the responses that the service lists within `wait_s` seconds."""
    until, shown = time.monotonic() + wait_s, dict[_Key, str]()
    while True:
        for one in _silent(doubts, shown):
            if response_id := _listed(services, one):
                shown[one.place.key] = response_id
        if len(shown) == len(doubts) or time.monotonic() >= until:
            return shown
        services.wait(min(_PAUSE_S, max(0.1, until - time.monotonic())))


def _listed(services: Services, doubt: _Doubt) -> str | None:
    try:
        listed = services.gateway.list_responses(doubt.last.intent.conversation_id)
    except HandleExpired:
        return None  # it shows nothing of a conversation that is closed
    found = find_response(doubt.last.intent, listed, doubt.place.fp, ())
    return found.response_id if found else None


def _end(services: Services, doubt: _Doubt, choice: str, response_id: str | None) -> Resolved:
    """Store what the service has shown, else the person's word."""
    place, intent = doubt.place, doubt.last.intent
    if response_id is not None:
        receipt = Receipt(response_id=response_id, how="adopted", created_at=time.time())
        services.ledger.write_receipt(*place.key, intent.attempt, intent.turn, receipt)
        said = f"{'' if not place.row else f'{place.named}: '}the service has it: {response_id}"
        return Resolved("adopted", said, place.again("goes on from there"), response_id)
    if choice == "wait":
        told = f"the service still shows nothing in {intent.conversation_id}"
        return Resolved("open", f"{place.named}: {told}" if place.row else told)
    kind = "abandoned" if choice == "retry" else "given_up"
    reason = f"{'to be paid again' if choice == 'retry' else 'given up'}, says {getpass.getuser()}"
    verdict = Verdict(
        kind=kind, error="StageInDoubt", reason=reason, run_id=intent.run_id, created_at=time.time()
    )
    services.ledger.write_verdict(*place.key, intent.attempt, verdict)
    after = "pays for it again" if choice == "retry" else _LEFT_OUT
    return Resolved(choice, f"{place.named}: {reason}", place.again(after))


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


def _settle(services: Services, place: StagePlace, newest: Attempt, choice: str) -> Resolved:
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
    return _noted(services, place, again_subject(newest.number), choice, "pays for it again")


def _refusals(services: Services, place: StagePlace) -> list[Verdict]:
    """Return what runs noted of a stage with checks whose draws they all refused, the newest last."""
    found: list[Verdict] = []
    while verdict := services.ledger.read_verdict(*place.key, len(found) + 1):
        found.append(verdict)
    return found


def _settle_draws(services: Services, place: StagePlace, refusals: list[Verdict], choice: str) -> Resolved:
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
    return _noted(services, place, draws_subject(len(refusals)), choice, "draws again")


def _noted(services: Services, place: StagePlace, subject: str, choice: str, again: str) -> Resolved:
    """Store a person's word on a stage; `again` is what a run does where it is granted.

    Raises:
        InvalidInput: another one came before.
    """
    word = Approval(
        subject=subject,
        is_granted=choice == "retry",
        decided_by=getpass.getuser(),
        created_at=services.clock(),
    )
    counts = services.ledger.write_approval(*place.key, word)
    if counts.is_granted != word.is_granted:
        raise InvalidInput(f"{counts.decided_by} decided otherwise before, and the first decision counts")
    return Resolved(choice, f"{place.named}: noted", place.again(again if word.is_granted else _LEFT_OUT))


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
    services: Services, place: StagePlace, newest: Attempt, choice: str, *, is_asked: bool
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
        said = f"the service has made it: {response_id}"
        return Resolved("adopted", said, place.again("takes it, and pays nothing again"), response_id)
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
    return Resolved(choice, f"{place.named}: {counts.reason}", place.again("goes on"))


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


def _lift(services: Services, place: StagePlace) -> Resolved:
    """Let a stage ask again at once that a quota has refused: its workers look at this while they wait.

    Raises:
        NotFound: it waits for no quota.
    """
    newest = services.ledger.newest_attempt(*place.key)
    if newest is None or not _is_waiting(services, newest):
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
    said = f"{place.named}: asks again at once, says {getpass.getuser()}"
    return Resolved("retry_now", said, place.again("unless a run is waiting: that one goes on by itself"))
