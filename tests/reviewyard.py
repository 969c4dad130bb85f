"""Reviewers for tests: a project with some of them, and what they say of what a run or a batch has made."""

from __future__ import annotations

from collections.abc import Mapping

from assetmill.records import AssetRecord
from assetmill.reviews.desk import Desk
from assetmill.reviews.ledger import ReviewLedger
from assetmill.reviews.review import ReviewKind
from assetmill.reviews.reviewers import add_reviewer, read_reviewers
from assetmill.stage.services import Services

TEAM: Mapping[str, tuple[str, ...]] = {"ada": ("brand",), "bo": ("brand",), "cy": ("legal",)}


def desk_for(services: Services, team: Mapping[str, tuple[str, ...]] = TEAM) -> Desk:
    """The desk of a project with these reviewers, whose keys are all here."""
    settings = services.settings
    for name, groups in team.items():
        add_reviewer(name, groups, settings.configs, settings.home)
    return Desk(read_reviewers(settings.configs), ReviewLedger(services.backend), settings.home)


def say(desk: Desk, kind: ReviewKind, asset: AssetRecord, by: str = "ada", reason: str = "") -> None:
    """Let a reviewer say something of the bytes that an asset has."""
    desk.say(kind, asset, by, seen=asset.blob.digest.removeprefix("sha256:"), reason=reason)
