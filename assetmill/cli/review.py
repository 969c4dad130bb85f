"""`assetmill review` and `assetmill reviewers`: what people say of pictures, and whose word counts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, get_args

import click

from assetmill.cli.options import json_option, opened_backend, print_json, profile_option, when
from assetmill.errors import InvalidInput
from assetmill.history.assets import AssetFinder
from assetmill.markdown import one_line
from assetmill.reviews.desk import Desk
from assetmill.reviews.ledger import ReviewLedger
from assetmill.reviews.review import Review, ReviewKind
from assetmill.reviews.reviewers import NAME, add_reviewer, find_key, key_id, read_reviewers
from assetmill.reviews.standing import Standing
from assetmill.settings import Settings, load_settings
from assetmill.store.backend import Backend
from assetmill.store.index import Index
from assetmill.store.ledger import Ledger

_KINDS = {"approve": "approved", "reject": "rejected", "comment": "commented", "withdraw": "withdrawn"}


@click.command()
@click.argument("asset")
@click.argument(
    "word", metavar="[approve|reject|comment|withdraw]", type=click.Choice(list(_KINDS)), required=False
)
@click.option("--by", "reviewer", metavar="NAME", help="Who says it; needed when several keys are here.")
@click.option("--reason", default="", metavar="TEXT", help="Why; a rejection and a comment need it.")
@profile_option
@json_option
def review(
    asset: str, word: str | None, reviewer: str | None, reason: str, profile: str | None, *, as_json: bool
) -> None:
    """Say what you think of ASSET's bytes, signed.

    Your key signs it; without a word, what was said is shown.

    ASSET is an ID, a service ID, a file, or RUN/STAGE/NAME. `withdraw` takes back what you said before.
    Everything stays on record.
    """
    settings = load_settings(profile)
    with opened_desk(settings) as (desk, backend):
        ledger = Ledger(backend)
        found = AssetFinder(ledger, Index(backend, ledger)).find(asset)
        sha256 = found.blob.digest.removeprefix("sha256:")
        if word is None:
            standing = desk.standing(sha256)
        else:
            kind: ReviewKind = next(one for one in get_args(ReviewKind) if one == _KINDS[word])
            name = reviewer or only_reviewer(desk)
            record = ledger.read_stage_of(found.asset_id)
            fingerprint = record.fingerprint if record else ""
            standing = desk.say(kind, found, name, seen=sha256, fingerprint=fingerprint, reason=reason)
    if as_json:
        return print_json({"asset_id": found.asset_id, "sha256": sha256, **standing_json(standing)})
    click.echo(f"{found.name}: {said(standing)}")
    for one in standing.reviews:
        click.echo(one_line(f"  {when(one.created_at)}  {one.reviewer} {one.kind}{_tail(one)}"))
    for problem in standing.forged:
        click.echo(one_line(f"  does not count: {problem}"), err=True)
    return None


@contextmanager
def opened_desk(settings: Settings) -> Generator[tuple[Desk, Backend]]:
    """Open a profile's store, and the desk of its project's reviewers."""
    with opened_backend(settings) as backend:
        reviewers = read_reviewers(settings.configs)
        yield Desk(reviewers, ReviewLedger(backend), settings.home), backend


def only_reviewer(desk: Desk) -> str:
    """Return the reviewer whose key is in this home.

    Raises:
        InvalidInput: none, or several.
    """
    here = keys_here(desk)
    if len(here) == 1:
        return here[0]
    if here:
        raise InvalidInput(f"the keys of {', '.join(here)} are here: say who you are with --by")
    raise InvalidInput("no reviewer's key is here: `assetmill reviewers add NAME` makes one")


def keys_here(desk: Desk) -> list[str]:
    """Return the reviewers of the project who can sign in this home."""
    keys = {name: find_key(name, desk.home) for name in desk.reviewers}
    return [
        name
        for name, key in keys.items()
        if key and key_id(key.public_key()) == key_id(desk.reviewers[name].key)
    ]


def said(standing: Standing) -> str:
    """Return where a picture stands, in words."""
    stand = standing.stand()
    if stand == "approved":
        return f"approved by {', '.join(standing.approvers)}"
    if stand == "rejected":
        return f"rejected by {', '.join(standing.rejecters)}"
    return "nobody has decided yet"


def standing_json(standing: Standing) -> dict[str, Any]:
    """Return where a picture stands, and all that was said, as `--json` shows it."""
    return {
        "stand": standing.stand(),
        "approved_by": list(standing.approvers),
        "reviews": [one.model_dump(mode="json") for one in standing.reviews],
        "forged": list(standing.forged),
    }


def _tail(one: Review) -> str:
    return f": {one.reason}" if one.reason else ""


@click.command()
@click.argument("add", metavar="[add NAME]", nargs=-1)
@click.option(
    "--group", "groups", multiple=True, metavar="NAME", help="A group they speak for; may be repeated."
)
@profile_option
@json_option
def reviewers(add: tuple[str, ...], groups: tuple[str, ...], profile: str | None, *, as_json: bool) -> None:
    """List whose word on a picture counts, or add somebody.

    `add NAME` makes a key here and names it in the project.

    The private key stays in the project's home, which git does not take; the public one goes into
    configs/reviewers.toml, which is for git.
    """
    settings = load_settings(profile)
    if add:
        if len(add) != 2 or add[0] != "add":
            raise InvalidInput("write `assetmill reviewers add NAME`, or nothing to list them")
        add_reviewer(add[1], groups, settings.configs, settings.home)
    elif groups:
        raise InvalidInput("--group is for `add`")
    with opened_desk(settings) as (desk, _):
        here = set(keys_here(desk))
    if as_json:
        listed = [
            {
                "name": one.name,
                "key_id": key_id(one.key),
                "groups": sorted(one.groups),
                "is_here": one.name in here,
            }
            for one in desk.reviewers.values()
        ]
        return print_json({"reviewers": listed})
    for one in desk.reviewers.values():
        mark = "key here" if one.name in here else ""
        click.echo(f"{one.name:<20} {key_id(one.key)}  {', '.join(sorted(one.groups)):<16} {mark}".rstrip())
    if not desk.reviewers:
        click.echo(f"nobody yet: `assetmill reviewers add NAME` writes {settings.configs / NAME}")
    return None
