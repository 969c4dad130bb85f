"""Known mistakes, each of which some seed must catch: proof that the simulation can see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from assetmill.agents.gateway import Response
from assetmill.errors import HandleExpired, NotSent, OutcomeUnknown
from assetmill.records import BlobRef, Intent
from assetmill.settings import Foundry
from assetmill.stage.patience import showing_s
from tests.assetmill.simulation.answers import USUAL, Answers
from tests.assetmill.simulation.rules import Policy
from tests.assetmill.simulation.scenario import Mutate, Posting

STAGE = "assetmill.stage.engine._Stage"
ATTEMPTS = "assetmill.stage.attempts.Attempts"


@dataclass(frozen=True)
class Mutant:
    """A change for the worse. `policy` is the one under which it matters; None is either. So `postings`."""

    mutate: Mutate | None = None
    policy: Policy | None = None
    postings: tuple[Posting, ...] = ()
    resends: int = 0
    may_be_direct: bool = False
    """Whether a call of an image model itself can go wrong in this way, too."""
    answers: Answers = USUAL
    """What the service does, unnoticed by the probe that allowed the fence."""


def _without_fence(patch: pytest.MonkeyPatch) -> None:
    def fence(attempts: Any, intent: Intent) -> None:
        attempts.services.wait(attempts.services.settings.foundry.settle_s)
        if not attempts.adopt(intent):
            attempts.store_verdict(intent, "fenced", NotSent("silence"))

    patch.setattr(f"{ATTEMPTS}._fence", fence)


def _without_settling(patch: pytest.MonkeyPatch) -> None:
    def fence(attempts: Any, intent: Intent) -> None:
        attempts.services.gateway.delete_conversation(intent.conversation_id)
        if not attempts.adopt(intent):
            attempts.store_verdict(intent, "fenced", NotSent("silence"))

    patch.setattr(f"{ATTEMPTS}._fence", fence)


def _reads_the_conversation_again(patch: pytest.MonkeyPatch) -> None:
    original = _find("assetmill.stage.drafts", "Drafts").request

    def request(drafts: Any, intent: Intent, *rest: Any) -> Any:
        call = drafts.call
        newest = drafts.services.ledger.newest_attempt(call.pipeline, call.fingerprint)
        stored = newest.turns[-1].intent.conversation_id if newest else intent.conversation_id
        return original(drafts, intent.model_copy(update={"conversation_id": stored}), *rest)

    patch.setattr("assetmill.stage.drafts.Drafts.request", request)


def _without_lease(patch: pytest.MonkeyPatch) -> None:
    def nobody(_attempts: Any, _intent: Intent) -> bool:
        return False

    patch.setattr(f"{ATTEMPTS}._is_running_elsewhere", nobody)


def _commits_before_blobs(patch: pytest.MonkeyPatch) -> None:
    """Blobs are only written when the attempt has been closed."""
    put = _find("assetmill.store.blobs", "Blobs").put
    close = _find("assetmill.stage.closing", "Closing").close
    waiting: list[tuple[Any, bytes, str]] = []

    def put_later(blobs: Any, data: bytes, media_type: str) -> BlobRef:
        from assetmill.fingerprint import digest

        waiting.append((blobs, data, media_type))
        return BlobRef(digest=digest(data), size_bytes=len(data), media_type=media_type)

    def close_first(*arguments: Any) -> Any:
        record = close(*arguments)
        while waiting:
            put(*waiting.pop())
        return record

    patch.setattr("assetmill.store.blobs.Blobs.put", put_later)
    patch.setattr("assetmill.stage.closing.Closing.close", close_first)


def _takes_silence_for_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """What a retry decorator around the stage does: an open outcome is tried again."""

    def recover(attempts: Any, intent: Intent) -> None:
        attempts.store_verdict(intent, "refused", OutcomeUnknown("silence"))

    patch.setattr(f"{ATTEMPTS}.recover", recover)


def _gives_up_what_is_not_listed_yet(patch: pytest.MonkeyPatch) -> None:
    def follow(attempts: Any, intent: Intent, receipt: Any, _desk: Any) -> Response | None:
        try:
            return attempts.services.gateway.follow_response(
                receipt.response_id, deadline_s=900.0, on_frame=None
            )
        except HandleExpired as error:
            attempts.store_verdict(intent, "failed", error)
            return None

    patch.setattr(f"{ATTEMPTS}.follow", follow)


def _posts_before_the_intent(patch: pytest.MonkeyPatch) -> None:
    """The intent is written when the answer is there."""
    original = _original("_spend")

    def ignore(_response_id: str) -> None:
        return

    def spend(stage: Any, intent: Intent, prepared: Any, agent: Any) -> Any:
        stage.services.gateway.create_response(stage.drafts.request(intent, prepared, agent), ignore)
        return original(stage, intent, prepared, agent)

    patch.setattr(f"{STAGE}._spend", spend)


def _adopts_the_first_turn_for_every_turn(patch: pytest.MonkeyPatch) -> None:
    def adopt(attempts: Any, intent: Intent) -> bool:
        listed = attempts.services.gateway.list_responses(intent.conversation_id)
        if listed:
            attempts.receive(intent, listed[0].response_id, "adopted")
        return bool(listed)

    patch.setattr(f"{ATTEMPTS}.adopt", adopt)


def _starts_over_when_a_turn_is_refused(patch: pytest.MonkeyPatch) -> None:
    def repeat(stage: Any, intent: Intent, _prepared: Any, error: Any) -> None:
        stage.services.gateway.delete_conversation(intent.conversation_id)
        stage.attempts.store_verdict(intent, "refused", error)

    patch.setattr(f"{STAGE}._repeat_turn", repeat)


def _empties_containers_anew(patch: pytest.MonkeyPatch) -> None:
    """Every pass asks the container again, also when it is gone."""

    def nothing(_ledger: Any, *_place: Any) -> None:
        return None

    def no_files(_ledger: Any, *_place: Any) -> tuple[Any, ...]:
        return ()

    patch.setattr("assetmill.store.ledger.Ledger.read_harvest", nothing)
    patch.setattr("assetmill.store.ledger.Ledger.kept_files", no_files)


def _gives_up_what_another_works_on(patch: pytest.MonkeyPatch) -> None:
    def give_up(attempts: Any, intent: Intent, receipt: Any, error: Any) -> None:
        attempts.store_verdict(intent, "abandoned", error, response_id=receipt.response_id)

    patch.setattr(f"{ATTEMPTS}.give_up", give_up)


def _looks_as_briefly_as_in_the_background(patch: pytest.MonkeyPatch) -> None:
    """Silence on the line counts before the response could have been listed."""

    def settle_s(_intent: Intent, foundry: Foundry, *_: float) -> float:
        return foundry.settle_s

    patch.setattr("assetmill.stage.patience.showing_s", settle_s)
    patch.setattr("assetmill.stage.attempts.closing_s", settle_s)


def _counts_silence_from_the_intent(patch: pytest.MonkeyPatch) -> None:
    """What a fence waits for has been passed by an owner that slept before it posted."""

    def from_the_intent(intent: Intent, foundry: Foundry) -> float:
        return showing_s(intent, foundry, clock[-1]())

    def fence(attempts: Any, intent: Intent) -> None:
        clock.append(attempts.services.clock)
        original(attempts, intent)

    clock: list[Callable[[], float]] = []
    original = _find("assetmill.stage.attempts", "Attempts")._fence
    patch.setattr(f"{ATTEMPTS}._fence", fence)
    patch.setattr("assetmill.stage.attempts.closing_s", from_the_intent)


def _changes_the_way_on_silence(patch: pytest.MonkeyPatch) -> None:
    """An open outcome is taken for a refusal of the form, and the next form posted."""

    def recover(attempts: Any, intent: Intent) -> None:
        attempts.services.abilities.learn(intent.way, holds=False, evidence="silence")
        attempts.store_verdict(intent, "refused", OutcomeUnknown("silence"))

    patch.setattr(f"{ATTEMPTS}.recover", recover)


def _changes_the_lane_on_silence(patch: pytest.MonkeyPatch) -> None:
    """What a client does that falls back whenever a post in the cheaper lane raises."""
    original = _find("assetmill.stage.attempts", "Attempts").recover

    def recover(attempts: Any, intent: Intent) -> None:
        if intent.lane == "now":
            return original(attempts, intent)
        attempts.services.close_lane(attempts.call.model)
        return attempts.store_verdict(intent, "refused", OutcomeUnknown("silence"))

    patch.setattr(f"{ATTEMPTS}.recover", recover)


def _pays_by_the_lane_that_was_posted(patch: pytest.MonkeyPatch) -> None:
    original = _find("assetmill.stage.closing", "Closing")._usage

    def usage(closing: Any, turns: Any) -> Any:
        lane = turns[-1].intent.lane
        return original(closing, turns).model_copy(update={"service_tier": None if lane == "now" else lane})

    patch.setattr("assetmill.stage.closing.Closing._usage", usage)


def _draws_before_the_intent(patch: pytest.MonkeyPatch) -> None:
    """The picture is asked for before anything says that it may be."""
    original = _original("_begin_direct")

    def begin(stage: Any, attempt: int) -> None:
        stage.services.gateway.draw(replace(stage.direct.request(), name="call_early"))
        original(stage, attempt)

    patch.setattr(f"{STAGE}._begin_direct", begin)


def _receives_before_the_reply_is_kept(patch: pytest.MonkeyPatch) -> None:
    """The receipt comes first, as where the service can be asked for the rest again."""
    replies = _find("assetmill.stage.direct", "DirectReplies")
    keep = replies.keep

    def receive_first(direct: Any, intent: Intent, response: Response) -> Any:
        direct._receipt(intent, response)
        return keep(direct, intent, response)

    patch.setattr("assetmill.stage.direct.DirectReplies.keep", receive_first)


def _forgets_that_a_reply_was_kept(patch: pytest.MonkeyPatch) -> None:
    """Whoever comes after a crash looks for a receipt alone, and leaves what was paid in doubt."""

    def nothing(_direct: Any, _intent: Intent) -> None:
        return None

    patch.setattr("assetmill.stage.direct.DirectReplies.find", nothing)


def _fences_a_call_that_has_no_conversation(patch: pytest.MonkeyPatch) -> None:
    """After a while without a word the call counts as dead, as behind a fence."""

    def recover(attempts: Any, intent: Intent) -> None:
        attempts.services.wait(attempts.services.settings.foundry.settle_s)
        attempts.store_verdict(intent, "fenced", NotSent("silence"))

    patch.setattr(f"{ATTEMPTS}._recover_direct", recover)


def _find(module: str, name: str) -> Any:
    import importlib

    return getattr(importlib.import_module(module), name)


def _original(method: str) -> Callable[..., Any]:
    return getattr(_find("assetmill.stage.engine", "_Stage"), method)


MUTANTS = {
    "the SDK's retries are on": Mutant(resends=2, may_be_direct=True),
    "no fence": Mutant(_without_fence, policy="fence"),
    "no settle time": Mutant(_without_settling, policy="fence"),
    "the post reads the conversation again": Mutant(_reads_the_conversation_again, policy="fence"),
    "a fence without a lease": Mutant(_without_lease, policy="fence"),
    "the commit before the blobs": Mutant(_commits_before_blobs, may_be_direct=True),
    "silence is a refusal": Mutant(_takes_silence_for_a_refusal, may_be_direct=True),
    "a response that is not listed yet is given up": Mutant(_gives_up_what_is_not_listed_yet),
    "silence on the line counts early": Mutant(
        _looks_as_briefly_as_in_the_background, policy="fence", postings=("stream", "foreground")
    ),
    "silence counts from the intent": Mutant(
        _counts_silence_from_the_intent, policy="fence", postings=("stream", "foreground")
    ),
    "silence changes the way": Mutant(_changes_the_way_on_silence),
    "silence changes the lane": Mutant(_changes_the_lane_on_silence),
    "the lane that was posted is paid": Mutant(_pays_by_the_lane_that_was_posted),
    "the post before the intent": Mutant(_posts_before_the_intent),
    "every turn adopts the first response": Mutant(_adopts_the_first_turn_for_every_turn),
    "a refused turn starts the attempt over": Mutant(_starts_over_when_a_turn_is_refused),
    "every pass empties the containers anew": Mutant(_empties_containers_anew),
    "an attempt is given up while its owner goes on": Mutant(_gives_up_what_another_works_on),
    "a picture before the intent": Mutant(_draws_before_the_intent, postings=("direct",)),
    "the receipt before the reply is kept": Mutant(_receives_before_the_reply_is_kept, postings=("direct",)),
    "a reply that was kept is in doubt": Mutant(_forgets_that_a_reply_was_kept, postings=("direct",)),
    "a fence without a conversation": Mutant(_fences_a_call_that_has_no_conversation, postings=("direct",)),
    "a deleted conversation accepts (A1)": Mutant(policy="fence", answers=Answers(accepts_deleted=True)),
    "lists lag beyond the settle time (A2)": Mutant(policy="fence", answers=Answers(lags=3.0)),
    "responses go with their conversation (A3)": Mutant(
        policy="fence", answers=Answers(forgets_with_conversation=True)
    ),
    "what loses its line is gone (A6)": Mutant(
        policy="fence", answers=Answers(ends_with_its_line=True), postings=("stream", "foreground")
    ),
}
