"""What the words of all reviewers on one picture amount to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from assetmill.reviews.envelope import Forged, opened
from assetmill.reviews.review import Review
from assetmill.reviews.reviewers import Reviewers

Stand = Literal["approved", "rejected", "open"]


@dataclass(frozen=True)
class Standing:
    """The reviews of one picture, oldest first, and what is wrong with envelopes that do not count."""

    reviews: tuple[Review, ...] = ()
    forged: tuple[str, ...] = ()

    @property
    def latest(self) -> dict[str, Review]:
        """The newest decision of each reviewer who has not withdrawn it. A comment decides nothing."""
        found: dict[str, Review] = {}
        for review in sorted(self.reviews, key=lambda one: one.created_at):
            if review.kind == "withdrawn":
                found.pop(review.reviewer, None)
            elif review.kind != "commented":
                found[review.reviewer] = review
        return found

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who approves it now."""
        return tuple(sorted(name for name, one in self.latest.items() if one.kind == "approved"))

    @property
    def rejecters(self) -> tuple[str, ...]:
        """Who rejects it now."""
        return tuple(sorted(name for name, one in self.latest.items() if one.kind == "rejected"))

    def stand(self, count: int = 1) -> Stand:
        """Return where it stands when `count` reviewers have to approve it: one who rejects it is enough."""
        if self.rejecters:
            return "rejected"
        return "approved" if len(self.approvers) >= count else "open"


def standing_of(sha256: str, envelopes: Iterable[str], reviewers: Reviewers) -> Standing:
    """Open what was said of a picture. The same envelope twice is said once."""
    reviews: list[Review] = []
    forged: list[str] = []
    for envelope in dict.fromkeys(envelopes):
        try:
            review = opened(envelope, reviewers)
        except Forged as error:
            forged.append(str(error))
            continue
        if review.sha256 == sha256:
            reviews.append(review)
        else:
            forged.append(f"{review.reviewer!r} said it of another picture, {review.sha256[:12]}")
    return Standing(tuple(reviews), tuple(forged))
