"""A project's home page with everything that it may do, opened from its settings."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from assetmill.gallery.asking import Asking
from assetmill.gallery.closeups import Closeups
from assetmill.gallery.details import Details
from assetmill.gallery.house import House
from assetmill.gallery.overview import Overview
from assetmill.gallery.planned import reused_in
from assetmill.gallery.reviewing import Reviewing
from assetmill.gallery.serving import Entrance, Gallery
from assetmill.gallery.site import Site
from assetmill.gallery.stars import Stars
from assetmill.gallery.starting import RunOffers
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.walls import Walls
from assetmill.local.next_passes import CommandPasses
from assetmill.local.page_changes import opened_changing
from assetmill.local.page_runs import begin_here
from assetmill.reviews.desk import Desk
from assetmill.settings import Settings
from assetmill.stage.services import Services, connect
from assetmill.store.backend import Backend
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger


@contextmanager
def opened_house(
    settings: Settings,
    desk: Desk,
    backend: Backend,
    reviewer: str | None,
    start: str | None,
    *,
    everything: bool,
    look_only: bool,
    then_run: bool = False,
) -> Generator[House]:
    """Open a project's pages on a store, the wall `start` first; at the end what they began is stopped.

    Raises:
        NotFound: `start` means nothing in this store.
    """
    ledger, blobs = Ledger(backend), Blobs(backend)
    walls, thumbnails = Walls(backend, reused_in(settings, ledger)), ThumbnailStore(settings.home, blobs)
    stars = Stars(settings.home)
    reviewing = Reviewing(desk, ledger, reviewer) if desk.reviewers else None
    if start is not None:
        walls.find(start, everything=everything)
    with ExitStack() as stack:
        changing = None if look_only else stack.enter_context(opened_changing(settings))
        starting = None if look_only else RunOffers(settings, ledger, begin_here(settings))

        def build(what: str | None, door: Entrance) -> Gallery:
            wall = walls.find(what, everything=everything)
            site = Site(wall, Details(ledger), thumbnails, blobs, reviewing=reviewing, stars=stars)
            closeups = Closeups(site, backend, None if look_only else Services(settings, backend, connect))
            return Gallery(site, changing, closeups, door, asks_for_next=not look_only, then_run=then_run)

        overview = Overview(backend, settings.configs, thumbnails, reviewing)
        asking = None if look_only else Asking(CommandPasses(settings, backend))
        yield House(overview, build, starting, asking, start=start, reviewer=reviewer)
