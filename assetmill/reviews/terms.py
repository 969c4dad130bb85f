"""Where a picture stands on the terms of its pipeline: whose words count, how many, and until when."""

from __future__ import annotations

from collections.abc import Mapping

from assetmill.plan.rounds import Position, in_prompt
from assetmill.records import AssetRecord
from assetmill.reviews.review import Review
from assetmill.reviews.reviewers import NAME, Reviewers
from assetmill.reviews.standing import Standing
from assetmill.spec.approvals import ApprovalSpec


def position_of(
    asset: AssetRecord, terms: ApprovalSpec, standing: Standing, reviewers: Reviewers, now: float
) -> Position:
    """Return where one file stands on its terms. A word that comes late counts: the clock decides last."""
    voters = voters_on(terms, reviewers)
    latest: Mapping[str, Review] = {name: one for name, one in standing.latest.items() if name in voters}
    rejecters = sorted(name for name, one in latest.items() if one.kind == "rejected")
    if rejecters:
        reasons = _reasons(standing, frozenset(rejecters))
        return Position("rejected", f"rejected by {', '.join(rejecters)}: {in_prompt(reasons[0])}", reasons)
    # The same bytes may hang under another name for which nobody has approved them.
    approvers = sorted(
        name for name, one in latest.items() if one.kind == "approved" and one.name == asset.name
    )
    if len(approvers) >= terms.count:
        return Position("approved", f"approved by {', '.join(approvers)}")
    if terms.within is not None and now >= asset.created_at + terms.within:
        return _late(asset, terms)
    return Position("waiting", _waits(approvers, terms, standing, voters))


def voters_on(terms: ApprovalSpec, reviewers: Reviewers) -> frozenset[str]:
    """Return whose words count: those of the groups that are asked, or everybody's."""
    found = (name for name, one in reviewers.items() if not terms.by or not one.groups.isdisjoint(terms.by))
    return frozenset(found)


def _reasons(standing: Standing, rejecters: frozenset[str]) -> tuple[str, ...]:
    """Return every reason that those who reject it have given, the newest first."""
    given = [one for one in standing.reviews if one.kind == "rejected" and one.reviewer in rejecters]
    given.sort(key=lambda one: one.created_at, reverse=True)
    return tuple(dict.fromkeys(one.reason for one in given))


def _late(asset: AssetRecord, terms: ApprovalSpec) -> Position:
    said = f"nobody has decided on {asset.name} in time"
    if terms.late == "approve":
        return Position("approved", f"{said}: it counts as approved")
    return Position("rejected", f"{said}: it counts as rejected")


def _waits(approvers: list[str], terms: ApprovalSpec, standing: Standing, voters: frozenset[str]) -> str:
    who = f" of {', '.join(terms.by)}" if terms.by else ""
    said = f"waits for approval{who}"
    if terms.count > 1:
        said += f": {len(approvers)} of {terms.count}"
    if len(voters) < terms.count:
        said += f" ({len(voters)} such in {NAME}: `assetmill reviewers add NAME` makes one)"
    if standing.forged:
        said += f"; does not count: {standing.forged[0]}"
    return said
