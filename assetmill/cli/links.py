"""`assetmill links`: by which links reviewers come to the team's page, what for, and until when."""

from __future__ import annotations

import time

import click

from assetmill.cli.options import Span, json_option, print_json, profile_option, when
from assetmill.cli.review import opened_desk
from assetmill.errors import InvalidInput
from assetmill.gallery.links import LinkScope, ReviewLink, ReviewLinks
from assetmill.reviews.reviewers import key_of
from assetmill.settings import Settings, load_settings

REVIEW_PORT = 4290
"""Where `assetmill serve` shows the review page unless it is told otherwise."""


@click.command()
@click.argument("words", metavar="[add NAME | revoke ID]", nargs=-1)
@click.option(
    "--scope",
    type=click.Choice(["look", "decide", "spend"]),
    default="decide",
    help="What it is for; each allows what stands before it too. decide when left out.",
)
@click.option(
    "--for", "lasts_s", type=Span(60), default="7d", metavar="TIME", help="How long; 7d when left out."
)
@profile_option
@json_option
def links(
    words: tuple[str, ...], scope: LinkScope, lasts_s: float, profile: str | None, *, as_json: bool
) -> None:
    """List the links to the review page, make or end one.

    The page is that of `assetmill serve`; `add NAME` makes a link, `revoke ID` ends one.

    A link lets one person in, as themselves: to look, to decide too, or to spend too. Whoever has it can use
    it, so it ends by itself. What is revoked is refused from the next request on.
    """
    settings = load_settings(profile)
    known = ReviewLinks(settings.home)
    url = None
    if words[:1] == ("add",) and len(words) == 2:
        url = _added(words[1], scope, lasts_s, settings, known)
    elif words[:1] == ("revoke",) and len(words) == 2:
        known.revoke(words[1])
    elif words:
        raise InvalidInput(
            "write `assetmill links add NAME`, `assetmill links revoke ID`, or nothing to list them"
        )
    found = list(known.all())
    if as_json:
        return print_json({"links": [_json(link) for link in found], "url": url})
    if url:
        click.echo(url)
        click.echo("Send it to them alone: it is not shown again.", err=True)
        return None
    for link in found:
        ends = "expired" if link.expires_at <= time.time() else f"until {when(link.expires_at)}"
        click.echo(f"{link.link_id}  {link.reviewer:<20} {link.scope:<7} {ends}")
    return None


def _added(name: str, scope: LinkScope, lasts_s: float, settings: Settings, known: ReviewLinks) -> str:
    with opened_desk(settings) as (desk, _):
        if scope != "look":
            key_of(name, desk.reviewers, settings.home)
    _, token = known.make(name, scope, lasts_s)
    return f"{page_address(settings)}/enter/{token}"


def page_address(settings: Settings) -> str:
    """Return where the review page is reached: as the profile says, else on this machine."""
    return settings.review.url.rstrip("/") or f"http://127.0.0.1:{REVIEW_PORT}"


def _json(link: ReviewLink) -> dict[str, object]:
    return link.model_dump(mode="json", exclude={"digest"})
