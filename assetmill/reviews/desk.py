"""Where somebody reviews: the project's reviewers, the store's envelopes, and a key to sign with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assetmill.errors import InvalidInput, InvalidSettings
from assetmill.fingerprint import Digest
from assetmill.records import AssetRecord
from assetmill.redaction import redact_known
from assetmill.reviews.envelope import sign
from assetmill.reviews.ledger import ReviewLedger
from assetmill.reviews.review import LONGEST_REASON, Review, ReviewKind
from assetmill.reviews.reviewers import Reviewers, key_of
from assetmill.reviews.standing import Standing, standing_of


class BytesChanged(InvalidInput):
    """What was looked at is not what the asset is now: nothing was said of it."""


@dataclass(frozen=True)
class Desk:
    """Reviews of one store by the reviewers of one project. Safe for threads."""

    reviewers: Reviewers
    ledger: ReviewLedger
    home: Path
    clock: Callable[[], float] = time.time

    def standing(self, sha256: str) -> Standing:
        """Return where a picture stands."""
        return standing_of(sha256, self.ledger.of(Digest(f"sha256:{sha256}")), self.reviewers)

    def standing_among(self, sha256: str, find: Callable[[str], tuple[str, ...]]) -> Standing:
        """Return where a picture stands by what `find` knows of it, as `told` returns it."""
        return standing_of(sha256, find(sha256), self.reviewers)

    def told(self) -> Callable[[str], tuple[str, ...]]:
        """Return how to find the envelopes of a picture among many: one listing, and those that there are."""
        known = set(self.ledger.pictures())

        def find(sha256: str) -> tuple[str, ...]:
            picture = Digest(f"sha256:{sha256}")
            return self.ledger.of(picture) if picture in known else ()

        return find

    def check_held(self, asset: AssetRecord) -> None:
        """Make sure that the store still has an asset's bytes: what is said of them must not be of others.

        Raises:
            BytesChanged: it has lost them, or something else lies in their place.
        """
        if not self.ledger.holds(asset.blob):
            lost = f"the store has lost the bytes of {asset.name}, or has others in their place"
            raise BytesChanged(f"{lost}: nothing was said of it; see `assetmill repair`")

    def say(
        self,
        kind: ReviewKind,
        asset: AssetRecord,
        reviewer: str,
        *,
        seen: str,
        fingerprint: str = "",
        reason: str = "",
        point: tuple[float, float] | None = None,
    ) -> Standing:
        """Sign a word on an asset and keep it; `seen` is the SHA-256 of the bytes that were looked at.

        Raises:
            BytesChanged: the asset has other bytes than were looked at, or what is approved is lost.
            InvalidInput: a rejection without a reason, a comment without words, or too many.
            NotFound: no such reviewer, or the key is not here.
        """
        sha256 = asset.blob.digest.removeprefix("sha256:")
        if seen != sha256:
            raise BytesChanged(f"{asset.name} is not what you looked at any more: load it again")
        if kind == "approved":
            self.check_held(asset)
        reason = _checked(kind, reason)
        key = key_of(reviewer, self.reviewers, self.home)
        said = self.standing(sha256).reviews
        # Of two words in one moment the later one counts, whatever the clock says.
        before = max((one.created_at for one in said if one.reviewer == reviewer), default=0.0)
        review = Review(
            kind=kind,
            sha256=sha256,
            name=asset.name,
            asset_id=asset.asset_id,
            fingerprint=fingerprint,
            reviewer=reviewer,
            reason=reason,
            point=point,
            created_at=max(round(self.clock(), 6), round(before + 1e-6, 6)),
        )
        self.ledger.add(asset.blob.digest, sign(review, key))
        return self.standing(sha256)


def _checked(kind: ReviewKind, reason: str) -> str:
    reason = reason.strip()
    if kind in {"rejected", "commented"} and not reason:
        raise InvalidInput(
            "say why: a rejection without a reason helps nobody" if kind == "rejected" else "say what"
        )
    if len(reason) > LONGEST_REASON:
        raise InvalidInput(f"{len(reason)} characters are too many: at most {LONGEST_REASON}")
    if redact_known(reason) != reason:
        raise InvalidSettings(
            "the reason holds a secret of this project: it would be signed and kept for good"
        )
    return reason
