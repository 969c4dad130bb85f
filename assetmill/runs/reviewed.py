"""What a store and a project say of a stage's pictures: whose words count, how many, and until when."""

from __future__ import annotations

import time
from functools import cached_property

from assetmill.fingerprint import Digest
from assetmill.plan.calls import StageCall
from assetmill.plan.rounds import Position, Rejections, asked_of, together
from assetmill.records import AssetRecord, StageRecord
from assetmill.reviews.desk import Desk
from assetmill.reviews.ledger import ReviewLedger
from assetmill.reviews.reviewers import read_reviewers
from assetmill.reviews.standing import Standing
from assetmill.reviews.terms import position_of
from assetmill.settings import Settings
from assetmill.spec.approvals import ApprovalSpec
from assetmill.spec.pipeline import StageSpec
from assetmill.stage.candidates import known_candidates
from assetmill.store.backend import Backend
from assetmill.store.ledger import Ledger

_ANYBODY = ApprovalSpec()
"""Where a pipeline names no reviewers, the word of each one of the project counts."""


class StoredWords:
    """What was said of the pictures of one store by the reviewers of one project, as of the first look.

    What is shown of a plan is what is run: a word that comes in between counts for the next one.
    """

    def __init__(self, settings: Settings, backend: Backend, ledger: Ledger) -> None:
        self._settings, self._backend, self._ledger = settings, backend, ledger
        self._known: dict[str, Standing] = {}

    def position(self, spec: StageSpec, record: StageRecord) -> Position:
        """Return where a finished stage stands."""
        return together(self._position(asset, terms) for asset, terms in asked_of(spec, record))

    def heard(self) -> frozenset[Digest]:
        """Return the bytes of which something was said: one listing, however often it is asked."""
        return self._heard

    def reasons_against(self, record: StageRecord) -> tuple[str, ...]:
        """Return for which reasons reviewers reject what a stage has chosen, whichever of them does."""
        taken = [one for one in record.outputs if one.role == "output"]
        return together(self._position(one, _ANYBODY) for one in taken).reasons

    def is_begun(self, call: StageCall) -> bool:
        """Whether a draw of a call is finished or on its way."""
        if self._ledger.read_stage(call.pipeline, call.fingerprint):
            return True
        if call.acceptance:
            return next(known_candidates(call, self._ledger), None) is not None
        return self._ledger.newest_attempt(call.pipeline, call.fingerprint) is not None

    def settled(self, label: str) -> Rejections:
        """Return that no round is known: all of them are looked for."""
        return ()

    @cached_property
    def _heard(self) -> frozenset[Digest]:
        return frozenset(self._desk.ledger.pictures())

    @cached_property
    def _desk(self) -> Desk:
        reviewers = read_reviewers(self._settings.configs)
        return Desk(reviewers, ReviewLedger(self._backend), self._settings.home)

    def _position(self, asset: AssetRecord, terms: ApprovalSpec) -> Position:
        return position_of(asset, terms, self._standing(asset), self._desk.reviewers, time.time())

    def _find(self, sha256: str) -> tuple[str, ...]:
        picture = Digest(f"sha256:{sha256}")
        return self._desk.ledger.of(picture) if picture in self._heard else ()

    def _standing(self, asset: AssetRecord) -> Standing:
        sha256 = asset.blob.digest.removeprefix("sha256:")
        if sha256 not in self._known:
            self._known[sha256] = self._desk.standing_among(sha256, self._find)
        return self._known[sha256]
