"""A candidate that was not taken, taken after all, by the word of a reviewer.

Nothing that is stored changes: a reviewer rejects what was taken, and what would be drawn next is that
candidate. So the old choice stays on record with the word against it, later stages follow what is taken now,
and a plan reads no more than before. Where nothing is drawn for a rejection, because the stage needs no
approval, the choice is stored before the word that makes it count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from assetmill.errors import InvalidInput, NotFound
from assetmill.names import distinct
from assetmill.plan.calls import REJECTED, StageCall
from assetmill.plan.plan import Plan, PlannedStage
from assetmill.plan.rounds import asked_of, rejections_of
from assetmill.records import AssetId, AssetRecord, Decision, StageRecord
from assetmill.reviews.desk import BytesChanged, Desk
from assetmill.reviews.review import ReviewKind
from assetmill.reviews.standing import Standing
from assetmill.reviews.terms import voters_on
from assetmill.runs.reviewed import StoredWords
from assetmill.spec.approvals import ApprovalSpec
from assetmill.spec.pipeline import StageSpec
from assetmill.stage.services import Services


@dataclass(frozen=True)
class _Contest:
    """Where a candidate is: the choice that passed it over, and the stage's line of the plan now."""

    stage: PlannedStage
    plan: Plan
    choice: StageRecord

    @property
    def spec(self) -> StageSpec:
        """What the pipeline says of the stage."""
        return self.plan.spec_of(self.stage.label)

    @property
    def is_rejected(self) -> bool:
        """Whether the choice was rejected already, and nothing made in its place."""
        return self.stage.record is None

    @property
    def taken(self) -> AssetRecord:
        """The file that was taken."""
        return next(one for one in self.choice.outputs if one.role == "output")


def take_instead(
    asset_id: AssetId,
    plan_anew: Callable[[StageRecord], Plan],
    services: Services,
    desk: Desk,
    who: Callable[[], str],
    *,
    seen: str = "",
) -> StageRecord:
    """Take a candidate instead of what its stage has: the reviewer rejects the one and approves the other.

    `plan_anew` plans what a stage was asked by, with all that was said by then; `who` names the reviewer;
    `seen` is the SHA-256 of the bytes that they looked at, "" for those that there are. Nothing is spent.
    Whoever has rejected it already only takes.

    Raises:
        InvalidInput: it is no candidate of what the stage has now, this reviewer's word does not count, or
            no round is left.
        BytesChanged: the candidate has other bytes than were looked at.
        NotFound: what drew it is not in this store.
    """
    draw = _draw_of(asset_id, services)
    wanted = next((one for one in draw.outputs if one.asset_id == asset_id), None)
    if wanted is None or (seen and seen != _sha256(wanted)):
        raise BytesChanged(f"{asset_id} is not what you looked at any more: load it again")
    desk.check_held(wanted)
    place = _find(asset_id, draw, plan_anew(draw), services)
    sign = partial(desk.say, reviewer=_checked(place, desk, who))
    reason = f"instead of it {asset_id} is taken"
    if not place.spec.needs_approval:
        return _take_at_once(place, draw, sign, reason, services)
    if not place.is_rejected:
        _say("rejected", place.taken, place.choice, sign, reason)
        place = _find(asset_id, draw, plan_anew(draw), services)
    call = _open_call(place, services)
    decision = _decision(place, draw, sign.keywords["reviewer"], services.clock())
    record = services.ledger.commit(_choice(place, draw, call, decision))
    taken = next(one for one in record.outputs if one.role == "output")
    if taken.asset_id != asset_id:
        raise InvalidInput(f"stage {record.label!r} has got {taken.name} ({taken.asset_id}) meanwhile")
    _say("approved", taken, record, sign)
    return record


def _take_at_once(
    place: _Contest, draw: StageRecord, sign: partial[Standing], reason: str, services: Services
) -> StageRecord:
    """Take it where nothing is drawn for a rejection: the word comes last, and makes the choice count."""
    call = place.plan.call_after(place.stage.label, place.choice, reason)
    decision = _decision(place, draw, sign.keywords["reviewer"], services.clock())
    record = services.ledger.commit(_choice(place, draw, call, decision))
    _say("rejected", place.taken, place.choice, sign, reason)
    _say("approved", next(one for one in record.outputs if one.role == "output"), record, sign)
    return record


def can_be_taken(
    choice: StageRecord,
    plan_anew: Callable[[StageRecord], Plan],
    services: Services,
    desk: Desk,
    reviewer: str,
) -> tuple[frozenset[AssetId], str]:
    """Return which candidates of a choice a reviewer can take instead, and why not the others."""
    found, why_not = set[AssetId](), ""
    plan: Plan | None = None
    for asset_id in [one.asset_id for one in choice.outputs if one.role == "candidate"]:
        try:
            draw = _draw_of(asset_id, services)
            plan = plan or plan_anew(draw)
            place = _find(asset_id, draw, plan, services)
            _checked(place, desk, lambda: reviewer)
            if place.is_rejected:
                _open_call(place, services)
        except (InvalidInput, NotFound) as error:
            why_not = why_not or str(error)
            if plan is None:
                break  # nothing is known of what asked for any of them
        else:
            found.add(asset_id)
    return frozenset(found), why_not


def _draw_of(asset_id: AssetId, services: Services) -> StageRecord:
    draw = services.ledger.read_stage_of(asset_id)
    if draw is None:
        raise NotFound("stage", asset_id, "its record is lost")
    return draw


def _find(asset_id: AssetId, draw: StageRecord, plan: Plan, services: Services) -> _Contest:
    for stage in plan.stages:
        choice = stage.record or _rejected_choice(stage.call, services)
        if choice and any(one.asset_id == asset_id and one.role == "candidate" for one in choice.outputs):
            if draw.fingerprint not in choice.draws:
                raise InvalidInput(
                    f"{asset_id} was not finished, and cannot be taken: `assetmill export` writes it"
                )
            return _Contest(stage, plan, choice)
    raise InvalidInput(f"{asset_id} is no candidate of what {plan.name} has made last")


def _rejected_choice(call: StageCall | None, services: Services) -> StageRecord | None:
    """Return what was rejected before a call that is to be drawn."""
    before = call.extra.get(REJECTED, ()) if call else ()
    return services.ledger.read_stage(call.pipeline, before[-1][0]) if call and before else None


def _checked(place: _Contest, desk: Desk, who: Callable[[], str]) -> str:
    """Return the reviewer, if another choice is to be had and their word counts for it."""
    label, spec, choice = place.stage.label, place.spec, place.choice
    asked = {one.asset_id: terms for one, terms in asked_of(spec, choice)}
    terms = asked.get(place.taken.asset_id)
    if terms is None and spec.needs_approval:
        raise InvalidInput(f"stage {label!r} asks nobody for {place.taken.name}: there is no other to be had")
    terms = terms or ApprovalSpec()  # where the pipeline names nobody, each reviewer's word counts
    reviewer = who()
    if reviewer not in voters_on(terms, desk.reviewers):
        raise InvalidInput(f"{reviewer} is of none of the groups whose word counts: {', '.join(terms.by)}")
    if len([one for one in choice.outputs if one.role == "output"]) > 1:
        raise InvalidInput(f"stage {label!r} makes several files: one alone cannot be taken instead")
    if spec.needs_approval and not place.is_rejected and len(rejections_of(choice)) >= spec.reroll:
        raise InvalidInput(
            f"`reroll: {spec.reroll}` of stage {label!r} leaves no round for another choice: raise it, "
            "which makes nothing anew"
        )
    return reviewer


def _open_call(place: _Contest, services: Services) -> StageCall:
    """Return the call that is to be drawn in place of what was rejected, if nobody has begun with it."""
    call = place.stage.call
    if not place.is_rejected or call is None:
        raise InvalidInput(f"{place.taken.name} of stage {place.stage.label!r} was not rejected by that word")
    if StoredWords(services.settings, services.backend, services.ledger).is_begun(call):
        raise InvalidInput(f"stage {place.stage.label!r} is being drawn again already: see what comes of it")
    return call


def _decision(place: _Contest, draw: StageRecord, reviewer: str, now: float) -> Decision:
    return Decision(
        kind="accepted",
        decided_by=reviewer,
        reason=f"{reviewer} took another candidate instead of {place.taken.asset_id}",
        assets=tuple(one.asset_id for one in draw.outputs if one.role == "output"),
        created_at=now,
    )


def _choice(place: _Contest, draw: StageRecord, call: StageCall, decision: Decision) -> StageRecord:
    """Return the record of another choice: what is taken first, then everything else that was paid for."""
    ids = {one.asset_id for one in draw.outputs}
    others = [_passed_over(one, decision.reason) for one in place.choice.outputs if one.asset_id not in ids]
    names = distinct(one.name for one in (*draw.outputs, *others))
    outputs = [one.model_copy(update={"name": next(names)}) for one in (*draw.outputs, *others)]
    return draw.model_copy(
        update={
            "fingerprint": call.fingerprint,
            "deciding": call.deciding(),
            "outputs": tuple(outputs),
            "finished_at": decision.created_at,
            "draws": place.choice.draws,
            "decision": decision,
        }
    )


def _passed_over(asset: AssetRecord, reason: str) -> AssetRecord:
    if asset.role != "output":
        return asset
    return asset.model_copy(update={"role": "candidate", "rejected": reason})


def _say(
    kind: ReviewKind, asset: AssetRecord, record: StageRecord, sign: Callable[..., object], reason: str = ""
) -> None:
    sign(kind, asset, seen=_sha256(asset), fingerprint=record.fingerprint, reason=reason)


def _sha256(asset: AssetRecord) -> str:
    return asset.blob.digest.removeprefix("sha256:")
