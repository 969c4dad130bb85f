"""`assetmill gallery` and `assetmill open`: the pictures of a run, a batch or a pipeline, to be looked at."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.cli.review import keys_here, opened_desk
from assetmill.errors import InvalidInput
from assetmill.gallery.details import Details
from assetmill.gallery.folder import write_folder
from assetmill.gallery.planned import reused_in
from assetmill.gallery.reviewing import Reviewing
from assetmill.gallery.site import Site
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.walls import Walls
from assetmill.reviews.desk import Desk
from assetmill.reviews.reviewers import key_of
from assetmill.settings import load_settings
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger

everything_option = click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also candidates, pictures on the way and files of failed stages.",
)


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("what", metavar="[RUN|BATCH|PIPELINE|ASSET]", required=False)
@everything_option
@profile_option
@json_option
def gallery(
    directory: Path, what: str | None, profile: str | None, *, everything: bool, as_json: bool
) -> int:
    """Write a gallery to DIR, for a folder or a bucket.

    It is read only.

    It holds the page, a thumbnail of every picture and the files themselves; it loads nothing from elsewhere.
    Without a second word it shows everything in the store. Written again, it keeps what is there already.
    """
    with _opened_site(profile, what, everything=everything) as site:
        tell = _tell if not as_json else _say_nothing
        written = write_folder(site, directory, tell)
    start = directory / "index.html"
    if as_json:
        counts = {"files": written.files, "size_bytes": written.size_bytes, "lost": written.lost}
        print_json({"directory": str(directory), "page": str(start), **counts})
    else:
        click.echo(f"{written.files} files, {written.size_bytes / 1e6:.1f} MB; open {start}")
    for path in written.lost:
        click.echo(f"missing: {path}: the store has lost these bytes; see `assetmill repair`", err=True)
    return 1 if written.lost else 0


@click.command(name="open")
@click.argument("what", metavar="[RUN|BATCH|PIPELINE|ASSET]", required=False)
@everything_option
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The port to listen on; else a free one."
)
@click.option("--no-browser", is_flag=True, help="Only print the link.")
@click.option("--look-only", is_flag=True, help="Let nothing that costs money be done from the page.")
@click.option(
    "--then",
    type=click.Choice(["run"]),
    help="Once everything is decided: show what the next pass draws and costs, to be confirmed.",
)
@click.option("--as", "reviewer", metavar="NAME", help="Who reviews; else the reviewer whose key is here.")
@profile_option
@json_option
def open_(
    what: str | None,
    profile: str | None,
    *,
    everything: bool,
    port: int,
    no_browser: bool,
    look_only: bool,
    then: str | None,
    reviewer: str | None,
    as_json: bool,
) -> None:
    """Look at pictures in the browser.

    Those of a run, a batch, a pipeline or the whole store.

    Without a second word the home page comes first: pipelines, runs, batches, and what waits for somebody.

    The page is served to this machine alone, by a link that works once, until Ctrl-C. What is under way is
    shown as it comes. Nothing is spent but on changes and runs that were confirmed there at their price.
    A reviewer of the project (`assetmill reviewers`) approves, rejects and comments there, signed.
    """
    # Only here: the server's packages take longer to import than a gallery takes to write.
    from assetmill.local.gallery_server import listening, serve_gallery
    from assetmill.local.opened_house import opened_house

    def tell(link: str) -> None:
        name = house.reviewer
        if as_json:
            return print_json({"url": link, "reviewer": name})
        click.echo(f"Open, once: {link}")
        click.echo(f"{f'{name} reviews' if name else 'To look at only'}. Ctrl-C ends it.", err=True)
        return None

    if then and look_only:
        raise InvalidInput("--then run starts a run, and --look-only lets nothing that costs money be done")
    settings = load_settings(profile)
    with opened_desk(settings) as (desk, backend):
        name = _reviewer_here(desk, reviewer)
        told = opened_house(
            settings,
            desk,
            backend,
            name,
            what,
            everything=everything,
            look_only=look_only,
            then_run=then == "run",
        )
        with told as house, listening(port) as listener:
            serve_gallery(house, listener, tell, has_browser=not no_browser)


def _reviewer_here(desk: Desk, reviewer: str | None) -> str | None:
    """Return who reviews; without a name who has the only key here, if there is one."""
    if reviewer:
        key_of(reviewer, desk.reviewers, desk.home)
    here = keys_here(desk)
    return reviewer or (here[0] if len(here) == 1 else None)


@contextmanager
def _opened_site(profile: str | None, what: str | None, *, everything: bool) -> Generator[Site]:
    """Open a profile's store for reading, and what somebody wants to see of it as a site."""
    settings = load_settings(profile)
    with opened_desk(settings) as (desk, backend):
        ledger, blobs = Ledger(backend), Blobs(backend)
        reviewing = Reviewing(desk, ledger, _reviewer_here(desk, None)) if desk.reviewers else None
        wall = Walls(backend, reused_in(settings, ledger)).find(what, everything=everything)
        thumbnails = ThumbnailStore(settings.home, blobs)
        yield Site(wall, Details(ledger), thumbnails, blobs, reviewing=reviewing)


def _tell(files: int) -> None:
    click.echo(f"{files} files", err=True)


def _say_nothing(files: int) -> None:
    pass
