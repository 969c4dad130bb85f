"""The end of an attempt: what the service made becomes a stage record, or a verdict that keeps it all.

Pictures are stored before the raw response, which then names them by digest; what could not be decoded
stays in it as received. Container files come right after, with a record of their own: their container may
be gone when a later pass closes the attempt.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from assetmill.agents import harvest
from assetmill.agents.container_files import Fetched
from assetmill.agents.harvest import CollectedFiles, MadeFile
from assetmill.agents.outputs import read_response, without_pictures
from assetmill.agents.requests import agent_name
from assetmill.agents.structured import read_answer
from assetmill.agents.tool_failures import failed_tools
from assetmill.agents.wording import Meaning
from assetmill.errors import (
    AccountBlocked,
    HandleExpired,
    OutputUnreachable,
    OutputUnusable,
    QuotaExhausted,
    Rejected,
    StageBlocked,
    StageError,
    StageFailed,
    Throttled,
    ToolFailed,
)
from assetmill.money.drawn import Range
from assetmill.money.prices import prices_for
from assetmill.names import is_same_endpoint
from assetmill.pictures import EXTENSIONS, sniff
from assetmill.plan.calls import StageCall
from assetmill.records import (
    AssetRecord,
    Decision,
    Intent,
    ResponseRef,
    RunId,
    StageRecord,
    TurnCost,
    Usage,
    Verdict,
)
from assetmill.stage.containers import ContainerFiles
from assetmill.stage.costing import cost_of
from assetmill.stage.finished import Finished
from assetmill.stage.services import Services
from assetmill.stage.sightings import Sightings
from assetmill.store.attempts import Attempt

_STOPS: Mapping[Meaning | None, type[Rejected]] = {"account": AccountBlocked, "exhausted": QuotaExhausted}
"""What a response's end means for all others."""

_OPTIONAL = "; a stage that can do without the tool says `optional: true` under it"


_LIMIT_PAUSE_S = 20.0
"""After a limit that names no time: image deployments have asked for 16 to 24 seconds."""


@dataclass(frozen=True)
class Closing:
    """A stage's attempt as it is being closed; `run_id` is the run that pays for the bookkeeping."""

    call: StageCall
    services: Services
    run_id: RunId

    @property
    def sightings(self) -> Sightings:
        """The stage's pictures as streams showed them."""
        return Sightings(self.call, self.services)

    def keep_turn(self, turn: Finished) -> Fetched:
        """Store a turn's pictures, its raw response and its container files; say what cannot be had.

        Repeating is harmless, and free of the containers once they have been emptied.
        """
        gateway, blobs = self.services.gateway, self.services.blobs
        response_id = turn.response.response_id
        pictures = harvest.keep_pictures(turn.produced, blobs, gateway.endpoint, response_id)
        digests = {position: made.blob.digest for position, made in pictures.items()}
        raw = without_pictures(turn.response.body, digests)
        fp, intent = self.call.fingerprint, turn.intent
        is_first = self.services.ledger.write_raw(self.call.pipeline, fp, intent.attempt, intent.turn, raw)
        fetched = (
            ContainerFiles(self.call, self.services).empty(turn, is_first=is_first)
            if turn.produced.container_ids
            else Fetched(())
        )
        fetched = replace(fetched, files=(*pictures.values(), *fetched.files))
        if turn.response.status == "completed" and turn.produced.lacks_pictures:
            absent = "a picture was drawn and paid for, and its bytes came in no way that the service has"
            return replace(fetched, faults=(*fetched.faults, absent), missed=fetched.missed + 1)
        return fetched

    def earlier_turns(self, last: Intent) -> list[Finished]:
        """Read the turns before the last one again, from the service, which keeps them for 30 days."""
        turns: list[Finished] = []
        key = self.call.pipeline, self.call.fingerprint
        attempt = self.services.ledger.newest_attempt(*key) if last.turn > 1 else None
        stored = attempt.turns if attempt and attempt.number == last.attempt else ()
        known = {turn.intent.turn: turn for turn in stored}
        for number in range(1, last.turn):
            earlier = known.get(number)
            receipt = earlier.receipt if earlier else None
            body = self.services.gateway.get_response(
                receipt.response_id if receipt else self._named_by_raw(last.attempt, number)
            )
            intent = earlier.intent if earlier else last.model_copy(update={"turn": number})
            turns.append(Finished(intent, body, read_response(body.body)))
        return turns

    def _named_by_raw(self, attempt: int, turn: int) -> str:
        """Return the response of a turn whose receipt is lost."""
        key = self.call.pipeline, self.call.fingerprint
        return str(json.loads(self.services.ledger.read_raw(*key, attempt, turn))["id"])

    def _on_the_way(self, turns: list[Finished], frame: bytes | None) -> list[MadeFile]:
        """Return the screenshots that were sent, and the last frame when its picture never came."""
        ledger, blobs = self.services.ledger, self.services.blobs
        key = self.call.pipeline, self.call.fingerprint
        found: list[MadeFile] = []
        for turn in turns[:-1]:
            place = turn.response.response_id, turn.intent.endpoint
            replies = ledger.read_replies(*key, turn.intent.attempt, turn.intent.turn)
            for number, blob in enumerate(replies.screenshots if replies else (), start=1):
                name = f"screenshot-{turn.intent.turn:02d}-{number}.png"
                # One that the store has lost is missed by nobody but who looks for it.
                if (data := blobs.find(blob)) is not None:
                    found.append(harvest.keep_on_the_way("screenshot", name, blob, data, place))
        draws = any(tool["type"] == "image_generation" for tool in self.call.tools)
        has_picture = any(image.result for turn in turns for image in turn.produced.images)
        if not draws or has_picture:
            return found
        frame = frame or self.sightings.last_frame(turns[-1].intent)
        if frame and (kind := sniff(frame)):
            place = turns[-1].response.response_id, turns[-1].intent.endpoint
            blob = blobs.put(frame, f"image/{kind.lower()}")
            name = f"last-frame.{EXTENSIONS.get(blob.media_type, 'bin')}"
            found.append(harvest.keep_on_the_way("frame", name, blob, frame, place))
        return found

    def close(
        self, turns: list[Finished], frame: bytes | None = None, decision: Decision | None = None
    ) -> StageRecord:
        """Store the commit of an attempt whose last turn is final, and return the one that counts.

        `frame` is the last partial picture that was seen, `decision` why an earlier verdict counts no more.

        Raises:
            StageError: it did not make what it must; what it made is kept with the verdict.
            Throttled: a limit ended it; the verdict licenses another attempt.
        """
        turns = [self.sightings.complete(turn) for turn in turns]
        last = turns[-1]
        kept = [self.keep_turn(turn) for turn in turns]
        files = _distinct([file for fetched in kept for file in fetched.files])
        made_by, usage = self._reference(last), self._usage(turns)
        cost = self._cost(turns, usage)
        is_whole = not any(fetched.missed for fetched in kept)
        blobs = self.services.blobs
        files += self._on_the_way(turns, frame)
        crop = harvest.gather(self.call, files, last.produced, made_by, blobs, may_write=is_whole)
        answer = read_answer(last.produced.answer, self.call.text_format)
        failed = failed_tools((turn.response.body for turn in turns), self.call.tools)
        missing = self._missing(crop, kept)
        problems = (*failed, *missing, *crop.problems, *([answer.fault] if answer.fault else []))
        is_made = any(asset.role in {"output", "candidate"} for asset in crop.assets)
        if last.produced.is_no_answer and not (problems or is_made):
            problems = ("it made nothing and said nothing",)
        if last.response.status != "completed" or problems:
            reason = _reason(last, problems) + (_OPTIONAL if failed else "")
            kind = ToolFailed if failed else OutputUnreachable if missing else None
            raise self._spoil(last, crop.assets, reason, cost, kind)
        record = self.services.ledger.commit(
            StageRecord(
                pipeline=self.call.pipeline,
                stage=self.call.stage,
                variant=self.call.variant,
                fingerprint=self.call.fingerprint,
                deciding=self.call.deciding(),
                attempt=last.intent.attempt,
                run_id=self.run_id,
                made_by=tuple(self._reference(turn) for turn in turns),
                outputs=crop.assets,
                text=last.produced.text,
                data=answer.data,
                turns=last.intent.turn,
                usage=usage,
                cost_usd=cost.about if cost else None,
                cost_range_usd=_range(cost, last.intent),
                started_at=turns[0].intent.created_at,
                finished_at=self.services.clock(),
                decision=decision,
            )
        )
        self.settle(record.attempt, record.cost_usd)
        return record

    def _missing(self, crop: CollectedFiles, kept: list[Fetched]) -> tuple[str, ...]:
        """Return what could not be fetched, in words, where that may be what was asked for."""
        is_felt = crop.is_short if self.call.outputs else any(fetched.missed for fetched in kept)
        return tuple(text for fetched in kept for text in fetched.faults) if is_felt else ()

    def reopen(self, attempt: Attempt) -> StageRecord | None:
        """Ask once more, for nothing, for files that could not be fetched; None when some still cannot."""
        last = attempt.turns[-1]
        if last.receipt is None or not is_same_endpoint(last.intent.endpoint, self.services.gateway.endpoint):
            return None
        if last.intent.way == "direct":
            return None  # its reply came once, and was stored as it came
        came = Decision(
            kind="fetched", decided_by="assetmill", reason="all files came", created_at=self.services.clock()
        )
        try:
            response = self.services.gateway.get_response(last.receipt.response_id)
            turn = Finished(last.intent, response, read_response(response.body))
            return self.close([*self.earlier_turns(last.intent), turn], decision=came)
        except (HandleExpired, OutputUnusable):
            return None

    def note_cost(self, turn: Finished) -> None:
        """Store what a turn has cost that another one follows, or a person's word."""
        cost = self._cost([turn], self._usage([turn]))
        place = self.call.pipeline, self.call.fingerprint, turn.intent.attempt, turn.intent.turn
        usd = cost.about if cost else None
        self.services.ledger.write_turn_cost(*place, TurnCost(usd=usd, created_at=self.services.clock()))

    def _cost(self, turns: list[Finished], usage: Usage) -> Range | None:
        """Price the attempt as the profile pays, each turn as a request of its own."""
        each = tuple(turn.usage for turn in turns)
        produced = [turn.produced for turn in turns]
        prices = prices_for(self.services.settings)
        return cost_of(usage, self.call, produced, self.services.blobs, prices, turns=each)

    def _usage(self, turns: list[Finished]) -> Usage:
        """Add up what the turns used; a figure that any turn left out is unknown."""
        found = [turn.usage for turn in turns]
        tiers = {usage.service_tier for usage in found}
        total: dict[str, int | str | None] = {"service_tier": tiers.pop() if len(tiers) == 1 else None}
        for name in Usage.model_fields.keys() - total.keys():
            values = [getattr(usage, name) for usage in found]
            total[name] = None if None in values else sum(values)
        total["code_sessions"] = len({name for turn in turns for name in turn.produced.container_ids})
        # No response says how many partial pictures came with it: up to those that were asked for are paid.
        asked = max((int(tool.get("partial_images") or 0) for tool in self.call.tools), default=0)
        # One that was refused once it was drawn had its partial pictures too.
        total["partial_images"] = sum(
            asked * sum(image.is_charged for image in turn.produced.images)
            for turn in turns
            if self._was_streamed(turn.intent)
        )
        return Usage.model_validate(total)

    def _was_streamed(self, intent: Intent) -> bool:
        """Whether a turn brought partial pictures: without a stream none are made."""
        return self.services.settings.foundry.streaming if intent.is_streamed is None else intent.is_streamed

    def settle(self, attempt: int, cost_usd: float | None) -> None:
        """Replace an attempt's reservation by its cost; one that is unknown keeps the reservation."""
        if cost_usd is not None:
            ceilings = self.services.ceilings_of(self.run_id)
            self.services.budget.settle(self.reservation(attempt), cost_usd, ceilings)

    def reservation(self, attempt: int) -> str:
        """Return the name under which an attempt's money is reserved."""
        return f"{self.call.fingerprint}.{attempt}"

    def _spoil(
        self,
        turn: Finished,
        kept: tuple[AssetRecord, ...],
        reason: str,
        cost: Range | None,
        kind: type[StageFailed | OutputUnusable] | None,
    ) -> StageError | Throttled:
        """Close an attempt that was paid for and is not what was asked; what it made is kept.

        Return why it failed, or the limit that ended it, which another attempt may wait for.
        """
        limit = self._limit(turn, reason)
        error = limit or self._failure(turn, reason, kind, is_kept=bool(kept))
        self.store_verdict(
            turn.intent.attempt,
            kind="limited" if limit else "failed",
            error=type(error).__name__,
            reason=error.reason if isinstance(error, StageError) else reason,
            response_id=turn.response.response_id,
            kept=kept,
            cost_usd=cost.about if cost else None,
            cost_range_usd=_range(cost, turn.intent),
            not_before=self.services.clock() + (limit.retry_after_s or 0.0) if limit else None,
        )
        return error

    def _failure(
        self, turn: Finished, reason: str, kind: type[StageFailed | OutputUnusable] | None, *, is_kept: bool
    ) -> StageError:
        if stop := _STOPS.get(turn.produced.wording.meaning()):
            self.services.gate.learn(stop(reason, turn.produced.wording.code))
        if block := _block(self.call, turn, reason):
            return block
        # An answer in words was paid for and is kept with the raw response.
        is_answered = self.call.text_format is not None and turn.response.status == "completed"
        if kind is None or (kind is OutputUnreachable and turn.response.status != "completed"):
            kind = OutputUnusable if is_kept or is_answered else StageFailed
        return kind(self.call.label, reason, turn.response.response_id)

    def _limit(self, turn: Finished, reason: str) -> Throttled | None:
        """Return the limit that ended a response; None when it was none, or one attempt too many met it.

        Each such attempt was accepted and may have been paid for, unlike one that a quota refused.
        """
        wording, attempt = turn.produced.wording, turn.intent.attempt
        if turn.response.status != "failed" or wording.meaning() != "limit":
            return None
        earlier = range(attempt - 1, max(0, attempt - self.services.settings.foundry.max_attempts), -1)
        key = self.call.pipeline, self.call.fingerprint
        found = [self.services.ledger.read_verdict(*key, number) for number in earlier]
        limited = itertools.takewhile(
            lambda verdict: verdict is not None and verdict.kind == "limited", found
        )
        if len(list(limited)) >= self.services.settings.foundry.max_attempts - 1:
            return None
        return Throttled(reason, wording.code, 0, wording.retry_after_s or _LIMIT_PAUSE_S)

    def store_verdict(self, attempt: int, *, kind: str, error: str, reason: str, **details: Any) -> None:
        """Store the verdict that ends an attempt without a commit."""
        fields = {"kind": kind, "error": error, "reason": reason, "run_id": self.run_id, **details}
        verdict = Verdict.model_validate({**fields, "created_at": self.services.clock()})
        self.services.ledger.write_verdict(self.call.pipeline, self.call.fingerprint, attempt, verdict)
        self.settle(attempt, verdict.cost_usd)

    def _reference(self, turn: Finished) -> ResponseRef:
        named: object = turn.response.body.get("agent_reference")
        version = cast(Mapping[str, object], named).get("version") if isinstance(named, Mapping) else None
        image = self.call.drawing
        return ResponseRef(
            response_id=turn.response.response_id,
            conversation_id=turn.intent.conversation_id,
            endpoint=turn.intent.endpoint,
            agent_name="" if self.call.is_direct else agent_name(self.call),
            agent_version=str(version or ""),
            model=self.call.model,
            image_model=str(image["model"]) if image and "model" in image else None,
        )


def _block(call: StageCall, turn: Finished, reason: str) -> StageError | None:
    """Return what was refused, with the service's own categories; None when nothing was."""
    produced, response_id = turn.produced, turn.response.response_id
    if produced.wording.meaning() == "account":
        return StageBlocked(call.label, f"the account is blocked: {reason}", response_id, "account")
    blocked = [image for image in produced.images if image.blocked_at]
    if not blocked and not produced.blocked_at:
        return None
    is_prompt = produced.blocked_at == "prompt" or any(image.blocked_at == "input" for image in blocked)
    scope = "prompt" if is_prompt else "output"
    categories = tuple(sorted({*produced.categories}.union(*(image.categories for image in blocked))))
    said = f"moderation refused the {scope}" + (f" ({', '.join(categories)})" if categories else "")
    return StageBlocked(call.label, f"{said}: {reason}", response_id, scope, categories)


def _reason(turn: Finished, problems: tuple[str, ...]) -> str:
    """Say what is wrong, and what the agent itself said about it."""
    produced = turn.produced
    said = f"; the agent refused: {_shown(produced.refusal)}" if produced.refusal else ""
    if turn.response.status != "completed":
        return (produced.error or f"it ended {turn.response.status}") + said
    words = f"; the agent said: {_shown(produced.text)}" if produced.text else ""
    return "; ".join(problems) + words + said


def _shown(text: str) -> str:
    return repr(" ".join(text.split())[:300])


def _range(cost: Range | None, intent: Intent) -> tuple[float, float] | None:
    """Return between what the cost lies where only the service knows it: all that was reserved, at worst."""
    if cost is None:
        return None if intent.reserved_usd is None else (0.0, intent.reserved_usd)
    return (cost.low, cost.high) if cost.low != cost.high else None


def _distinct(files: list[MadeFile]) -> list[MadeFile]:
    """Drop files that a later turn's container still lists with the same bytes."""
    return list({(file.name, file.blob.digest): file for file in files}.values())
