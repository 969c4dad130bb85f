"""Walls on doubles: a store with a run of two pictures, and walls that were never drawn."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from assetmill.gallery.details import Details
from assetmill.gallery.house import House
from assetmill.gallery.reviewing import Reviewing
from assetmill.gallery.serving import Gallery
from assetmill.gallery.site import Site
from assetmill.gallery.stars import Stars
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.tiles import Tile, Wall
from assetmill.gallery.walls import Walls
from assetmill.local.gallery_server import listening
from assetmill.local.guard import Guard
from assetmill.records import AssetId, BlobRef
from assetmill.reviews.desk import Desk
from assetmill.reviews.ledger import ReviewLedger
from assetmill.reviews.reviewers import add_reviewer, read_reviewers
from assetmill.stage.services import Services
from assetmill.store.opening import open_store
from tests.batchworks import CARD
from tests.browsers import CHROMIUM, answering, chromium, page
from tests.doubles import ScriptedGateway, image_item, png
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in, wide

__all__ = ["chromium", "page"]

IN_CHROMIUM = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.timeout(180),
]


@contextmanager
def serving(gallery: Gallery | House) -> Generator[str]:
    """Serve a gallery as `open` does it, and yield its link."""
    with listening(0) as listener:
        port = listener.getsockname()[1]
        with answering(Guard(gallery.app, port), listener):  # pyright: ignore[reportArgumentType]
            yield f"http://127.0.0.1:{port}{gallery.entrance}"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = settings_in(tmp_path, chain=CHAIN, card=CARD)
    services = services_on(settings, open_store(settings.store_url), painter())
    yield services
    services.close()


@pytest.fixture
def served(services: Services) -> Iterator[str]:
    """The link to a wall of six pictures that ada reviews, served as `open` does it."""
    colours = ("red", "green", "blue", "teal", "gold", "pink")
    pipeline = wide(len(colours))
    (services.settings.configs / "pipelines" / "wide.yaml").write_text(pipeline)
    shown = iter(colours)
    gateway = ScriptedGateway(lambda _request: [image_item(png(1024, 1024, next(shown)))])
    run = run_here(services_on(services.settings, services.backend, gateway), "wide")
    gallery = Gallery(site_on(services, Walls(services.backend).find(run.run_id), "ada"))
    with serving(gallery) as link:
        yield link


def site_of(services: Services, what: str | None = None, *, everything: bool = False) -> Site:
    return site_on(services, Walls(services.backend).find(what, everything=everything))


def site_on(services: Services, wall: Wall, reviewer: str | None = None) -> Site:
    thumbnails = ThumbnailStore(services.settings.home, services.blobs)
    reviewing = Reviewing(desk_of(services), services.ledger, reviewer) if reviewer else None
    stars = Stars(services.settings.home)
    return Site(wall, Details(services.ledger), thumbnails, services.blobs, reviewing=reviewing, stars=stars)


def desk_of(services: Services) -> Desk:
    """The desk of a project whose only reviewer is ada."""
    settings = services.settings
    add_reviewer("ada", (), settings.configs, settings.home)
    return Desk(read_reviewers(settings.configs), ReviewLedger(services.backend), settings.home)


def picture(services: Services, name: str, row: str = "", colour: str = "teal") -> Tile:
    """A tile whose bytes are in the store, of an asset that has no record."""
    blob = services.blobs.put(png(64, 48, colour), "image/png")
    asset_id = AssetId(f"ast_00000000_{'a' * 52}_01")
    return Tile(name, "scene", "output", row, asset_id=asset_id, blob=blob, width=64, height=48)


def wall_of(tiles: Sequence[Tile]) -> Wall:
    return Wall("<b>Nightly</b>", "batch", tuple(tiles))


def ref_of(tile: Tile) -> BlobRef:
    assert tile.blob is not None
    return tile.blob
