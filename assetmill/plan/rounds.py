"""Rounds: what a stage draws between two looks of its reviewers.

The first round is the very call that it would be without approval. A rejection with a reason leads to the
next round, a call of its own with the rejection among what decides it, as often as `reroll` allows. So
nothing that was approved changes its fingerprint, and what a rejection had drawn is never paid twice.

Without approval nothing is drawn for a rejection. Where a reviewer has taken another draw instead of the one
that was chosen, that choice is stored as the next round's, and the stage is in it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from assetmill.fingerprint import Digest, Fingerprint
from assetmill.plan.calls import REJECTED, StageCall
from assetmill.records import AssetRecord, StageRecord
from assetmill.spec.pipeline import StageSpec

if TYPE_CHECKING:
    from assetmill.spec.approvals import ApprovalSpec

LONGEST_REASON = 500
"""Characters of a reviewer's reason that a prompt is given: what more there is, is on record."""

Rejections = tuple[tuple[Fingerprint, str], ...]
"""The rounds before: what was rejected, and why."""

Lookup = Callable[[str, Fingerprint], StageRecord | None]
Stand = Literal["approved", "waiting", "rejected"]


@dataclass(frozen=True)
class Position:
    """Where what a stage has made stands with its reviewers, and what a person is told of it.

    `reasons` are those of its rejections, the newest first; none where only the clock has rejected it.
    """

    stand: Stand
    said: str = ""
    reasons: tuple[str, ...] = ()


class Words(Protocol):
    """What reviewers have said, as a plan asks for it."""

    def position(self, spec: StageSpec, record: StageRecord) -> Position:
        """Return where a finished stage stands."""
        ...

    def heard(self) -> frozenset[Digest]:
        """Return the bytes of which something was said."""
        ...

    def reasons_against(self, record: StageRecord) -> tuple[str, ...]:
        """Return for which reasons reviewers reject what a stage has chosen, the newest first."""
        ...

    def is_begun(self, call: StageCall) -> bool:
        """Whether a draw of a call is finished or on its way."""
        ...

    def settled(self, label: str) -> Rejections:
        """Return the rounds of a stage that are known from elsewhere, as from a lock."""
        ...


class NoWords:
    """Nobody has said anything: what is made waits."""

    def position(self, spec: StageSpec, record: StageRecord) -> Position:
        """Return that it waits."""
        return Position("waiting", "waits for its reviewers")

    def heard(self) -> frozenset[Digest]:
        """Return that nothing was said of anything."""
        return frozenset()

    def reasons_against(self, record: StageRecord) -> tuple[str, ...]:
        """Return that there are none."""
        return ()

    def is_begun(self, call: StageCall) -> bool:
        """Return that nothing is."""
        return False

    def settled(self, label: str) -> Rejections:
        """Return that no round is known."""
        return ()


class Round(NamedTuple):
    """The round in which a stage is. Without a record it is to be drawn."""

    call: StageCall
    record: StageRecord | None = None
    position: Position | None = None
    rejections: Rejections = ()


def find_round(
    spec: StageSpec, label: str, bind: Callable[[Rejections], StageCall], lookup: Lookup, words: Words
) -> Round:
    """Return the round in which a stage is; without approval it is drawn in the first one alone."""
    rejections = _as_locked(bind, words.settled(label))
    while True:
        call = bind(rejections)
        record = lookup(call.pipeline, call.fingerprint)
        if record is None:
            return Round(call, None, None, rejections)
        if not spec.needs_approval:
            return _taken(Round(call, record, None, rejections), bind, lookup, words)
        position = words.position(spec, record)
        is_last = len(rejections) >= spec.reroll
        if position.stand != "rejected" or not position.reasons or is_last:
            return Round(call, record, position, rejections)
        rejections = _next(rejections, call.fingerprint, position.reasons, bind, words)


def _taken(found: Round, bind: Callable[[Rejections], StageCall], lookup: Lookup, words: Words) -> Round:
    """Return the round in which another draw was taken last: that of a choice that was not rejected since."""
    while further := _taken_instead(found, bind, lookup, words):
        found = further
    return found


def _taken_instead(
    found: Round, bind: Callable[[Rejections], StageCall], lookup: Lookup, words: Words
) -> Round | None:
    record = found.record
    # A stage that made one thing has no other to be taken, and is asked nothing.
    if record is None or not record.draws:
        return None
    for reason in words.reasons_against(record):
        rejections = (*found.rejections, (found.call.fingerprint, in_prompt(reason)))
        call = bind(rejections)
        taken = lookup(call.pipeline, call.fingerprint)
        if taken and taken.decision:
            return Round(call, taken, None, rejections)
    return None


def _next(
    before: Rejections,
    fp: Fingerprint,
    reasons: tuple[str, ...],
    bind: Callable[[Rejections], StageCall],
    words: Words,
) -> Rejections:
    """Return the rounds with one more: for a reason that was drawn for already, else for the newest.

    Who words a rejection anew after it was drawn for, or adds theirs, must not have it drawn once more.
    """
    found = [(*before, (fp, in_prompt(reason))) for reason in reasons]
    if len(found) == 1:
        return found[0]
    return next((one for one in found if words.is_begun(bind(one))), found[0])


def _as_locked(bind: Callable[[Rejections], StageCall], rejections: Rejections) -> Rejections:
    """Return rounds that are known, if the stage as it is asked now would have come by them."""
    for number, (fp, _) in enumerate(rejections):
        if bind(rejections[:number]).fingerprint != fp:
            return ()
    return rejections


def in_prompt(reason: str) -> str:
    """Return a reason as a prompt may hold it: one line of visible characters, of a bounded length."""
    visible = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in reason)
    line = " ".join(visible.split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def quoted(reason: str) -> str:
    """Return a reason in quotation marks that it cannot close, "" for none.

    A reviewer's words are data among those of the pipeline's author: where they end must be plain.
    """
    if not reason:
        return ""
    inner = "".join("'" if letter in _QUOTES else letter for letter in reason)
    return f'"{inner}"'


_QUOTES = frozenset('"\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02`')


def rejections_of(record: StageRecord) -> Rejections:
    """Return the rounds before the one in which a record was made, as it tells them."""
    told = record.deciding.get("extra", {}).get(REJECTED, ())
    return tuple((Fingerprint(fp), reason) for fp, reason in told)


def asked_of(spec: StageSpec, record: StageRecord) -> Iterator[tuple[AssetRecord, ApprovalSpec]]:
    """Yield each file of a stage that must be approved, with its terms; an output's own come first."""
    made = iter([asset for asset in record.outputs if asset.role == "output"])
    for output in spec.outputs:
        terms = output.approval or spec.approval
        for _ in range(output.count):
            asset = next(made, None)
            if asset and terms:
                yield asset, terms
    if spec.approval:
        yield from ((asset, spec.approval) for asset in made)


def together(positions: Iterable[Position]) -> Position:
    """Return where a stage stands whose files stand so: one that is rejected is enough."""
    found = list(positions)
    for stand in ("rejected", "waiting"):
        if some := [one for one in found if one.stand == stand]:
            said = "; ".join(dict.fromkeys(one.said for one in some))
            return Position(stand, said, tuple(reason for one in some for reason in one.reasons))
    return Position("approved", "; ".join(dict.fromkeys(one.said for one in found if one.said)))
