"""The review page for a team, in a thread beside what `assetmill serve` runs."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from assetmill.gallery.asking import Asking
from assetmill.gallery.changing import Changing
from assetmill.gallery.closeups import Closeups
from assetmill.gallery.details import Details
from assetmill.gallery.door import TeamDoor
from assetmill.gallery.links import ReviewLinks
from assetmill.gallery.reviewing import Reviewing
from assetmill.gallery.site import Site
from assetmill.gallery.stars import Stars
from assetmill.gallery.team import TeamPages
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.waiting import Waiting, what_waits
from assetmill.gallery.walls import Walls
from assetmill.local.gallery_server import PageServer, listening
from assetmill.local.guard import Guard
from assetmill.local.next_passes import CommandPasses
from assetmill.local.page_changes import opened_changing
from assetmill.reviews.desk import Desk
from assetmill.reviews.ledger import ReviewLedger
from assetmill.reviews.reviewers import read_reviewers
from assetmill.settings import Settings
from assetmill.spec.loading import pipeline_names
from assetmill.stage.services import Services, connect
from assetmill.store.backend import Backend
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger
from assetmill.store.opening import open_store

_LEAVE_WITHIN_S = 2


def team_pages(
    settings: Settings, backend: Backend, asking: Asking, changing: Changing | None = None
) -> TeamPages:
    """Return the pages of a profile's store. Who reviews is read anew for each wall: who left may look."""
    ledger, blobs = Ledger(backend), Blobs(backend)
    thumbnails = ThumbnailStore(settings.home, blobs)

    def site_for(what: str, reviewer: str | None) -> Site:
        desk = Desk(read_reviewers(settings.configs), ReviewLedger(backend), settings.home)
        wall = Walls(backend).find(what, everything=False)
        known = reviewer if reviewer in desk.reviewers else None
        reviewing = Reviewing(desk, ledger, known)
        stars = Stars(settings.home, known) if known else None
        return Site(wall, Details(ledger), thumbnails, blobs, reviewing=reviewing, stars=stars)

    def waiting() -> tuple[Waiting, ...]:
        return what_waits(backend, settings, pipeline_names(settings.configs))

    def closeups_for(site: Site) -> Closeups:
        return Closeups(site, backend, Services(settings, backend, connect))

    return TeamPages(site_for, waiting, asking, changing, closeups_for, thumbnails=thumbnails)


@contextmanager
def team_page(settings: Settings, port: int) -> Generator[int]:
    """Show a team's review page on a port of this machine, while the caller does something else; yield it.

    Raises:
        InvalidInput: somebody else has the port.
    """
    store = settings.store
    backend = open_store(
        settings.store_url, endpoint_url=store.endpoint_url, region=store.region, home=settings.home
    )
    with listening(port) as listener, opened_changing(settings) as changing:
        bound = listener.getsockname()[1]
        pages = team_pages(settings, backend, Asking(CommandPasses(settings, backend)), changing)
        door = TeamDoor(ReviewLinks(settings.home), pages.page_of)
        guard = Guard(door, bound, settings.review.url)  # pyright: ignore[reportArgumentType]
        server = PageServer(guard, _LEAVE_WITHIN_S)
        # Signals are the caller's: in a thread of its own uvicorn takes none.
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="reviews", daemon=True
        )
        thread.start()
        try:
            yield bound
        finally:
            server.should_exit = True
            thread.join(_LEAVE_WITHIN_S + 1)
            backend.close()
