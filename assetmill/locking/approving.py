"""Approvals in a lock: the signed words of reviewers travel with it, so that they are checked anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from assetmill.locking.models import Lock, LockedAsset
from assetmill.reviews.reviewers import Reviewers
from assetmill.reviews.standing import Standing, standing_of
from assetmill.reviews.terms import voters_on
from assetmill.spec.approvals import ApprovalSpec

FindEnvelopes = Callable[[str], Iterable[str]]
"""What a store has been told of a picture, by SHA-256."""


def with_reviews(lock: Lock, folder: str, before: Lock, find: FindEnvelopes) -> Lock:
    """Return a lock whose files of a folder carry what `find` and `before` know was said of their bytes."""
    told: dict[str, list[str]] = {}
    for asset in before.asset.values():
        told.setdefault(asset.sha256, []).extend(asset.reviews)

    def reviewed(asset: LockedAsset) -> LockedAsset:
        envelopes = dict.fromkeys((*told.get(asset.sha256, ()), *find(asset.sha256)))
        return asset.model_copy(update={"reviews": list(envelopes)})

    mine = {path for path, asset in lock.assets_of(folder).items() if asset.in_tree}
    assets = {path: reviewed(asset) if path in mine else asset for path, asset in lock.asset.items()}
    return lock.changed(asset=assets)


def unapproved(
    lock: Lock, reviewers: Reviewers, count: int, terms: Mapping[str, ApprovalSpec]
) -> Iterator[tuple[str, LockedAsset, str]]:
    """Yield each file of the tree that is not approved, and why.

    In a project with reviewers the signed words of `count` of them are asked for; a name that somebody wrote
    into the lock is enough in one without. `terms` are those of pipelines, by asset ID: who, and how many.
    """
    for path, asset in sorted(lock.in_tree().items()):
        if reviewers:
            standing = standing_of(asset.sha256, asset.reviews, reviewers)
            if reason := _reason(asset, standing, count, terms.get(asset.asset_id, _ANYBODY), reviewers):
                yield path, asset, reason
        elif asset.approved is None:
            yield path, asset, ""


_ANYBODY = ApprovalSpec()


def _reason(
    asset: LockedAsset, standing: Standing, count: int, terms: ApprovalSpec, reviewers: Reviewers
) -> str:
    """Return why a file is not approved, "" when it is. A forgery is told beside a sound approval too."""
    if standing.forged:
        return standing.forged[0]
    if standing.rejecters:
        return f"rejected by {', '.join(standing.rejecters)}"
    voters, count = voters_on(terms, reviewers), max(count, terms.count)
    # The same bytes may hang under another name for which nobody has approved them.
    approvers = [
        name for name in standing.approvers if name in voters and standing.latest[name].name == asset.output
    ]
    if len(approvers) >= count:
        return ""
    who = f" of {', '.join(terms.by)}" if terms.by else ""
    needed = f"; {count}{who} are needed" if count > 1 or who else ""
    return f"approved by {', '.join(approvers) or 'nobody'}{needed}"
