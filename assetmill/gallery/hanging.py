"""The tiles that hang on a wall, in their places: of work under way more come, and others change."""

from __future__ import annotations

import secrets
import threading

from assetmill.errors import StoreError
from assetmill.gallery.tiles import Slots, Tile, UnderWay, Wall
from assetmill.records import AssetId


class Hanging:
    """What hangs on a wall. A tile keeps its place while the page is served; what is more comes at the end.

    Every change has a number, so that a page that was away asks for what came since. Numbers and places hold
    for one hanging: another server, or the same one later, hangs the same work in another order, and `series`
    says which of them a page has seen. Safe for threads.
    """

    def __init__(self, wall: Wall) -> None:
        self.series = secrets.token_hex(6)
        self._works: list[UnderWay] = []
        self._over: set[int] = set()
        self._places: dict[tuple[int, str], list[int]] = {}
        self._tiles: tuple[Tile, ...] = wall.tiles
        self._changes: list[int] = [0] * len(wall.tiles)
        self._newest = 0
        # Looking takes as long as the store; what hangs changes all at once, after it.
        self._looking, self._lock = threading.Lock(), threading.Lock()
        self._known: tuple[Tile, ...] | None = None
        self._at: dict[AssetId, int] = {}
        if wall.work:
            self.join(wall.work)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles of now."""
        return self._tiles

    @property
    def newest(self) -> int:
        """The number of the newest change."""
        return self._newest

    @property
    def is_live(self) -> bool:
        """Whether more may come."""
        return len(self._over) < len(self._works)

    def now(self) -> tuple[tuple[Tile, ...], int]:
        """Return the tiles of now, and the number of the newest change that is in them."""
        with self._lock:
            return self._tiles, self._newest

    def join(self, work: UnderWay) -> int:
        """Hang more work, and return the place of its first tile.

        Raises:
            StoreUnavailable: the store does not answer; nothing more hangs.
        """
        place = len(self._tiles)
        with self._lock:
            self._works.append(work)
        self.look()
        return place

    def resume(self) -> None:
        """Look at everything again, at what was over too: a batch may have begun another pass.

        Raises:
            StoreUnavailable: the store does not answer; what hangs stays as it is.
        """
        with self._lock:
            self._over.clear()
        self.look()

    def place_of(self, tile: Tile) -> int | None:
        """Return where an asset hangs, None when it hangs nowhere here."""
        tiles = self._tiles
        if self._known is not tiles:
            self._known = tiles
            self._at = {one.asset_id: place for place, one in enumerate(tiles) if one.asset_id}
        return self._at.get(tile.asset_id) if tile.asset_id else None

    def since(self, change: int) -> list[int]:
        """Return the places of the tiles that changed after a change, in the order of the changes."""
        with self._lock:
            found = [place for place, number in enumerate(self._changes) if number > change]
            return sorted(found, key=lambda place: self._changes[place])

    def look(self) -> bool:
        """Look for what has changed, and return whether something has.

        Raises:
            StoreError: something could not be read. What was found before and after it hangs.
        """
        with self._looking:
            before, failed = self._newest, None
            for number, work in enumerate(tuple(self._works)):
                if number in self._over:
                    continue
                try:
                    self._put(number, work.look(), is_over=work.is_over)
                except StoreError as error:
                    failed = error
            if failed:
                raise failed
            return self._newest > before

    def _put(self, number: int, slots: Slots, *, is_over: bool) -> None:
        """Hang what one work has come to; that it is over is never seen before its last tiles are."""
        with self._lock:
            tiles = list(self._tiles)
            for name, told in slots.items():
                self._hang((number, name), told, tiles)
            self._tiles = tuple(tiles)
            if is_over:
                self._over.add(number)

    def _hang(self, name: tuple[int, str], told: tuple[Tile, ...], tiles: list[Tile]) -> None:
        places = self._places.setdefault(name, [])
        for number, tile in enumerate(told):
            if number == len(places):
                places.append(len(tiles))
                tiles.append(tile)
                self._changes.append(0)
            elif tiles[places[number]] == tile:
                continue
            tiles[places[number]] = tile
            self._newest += 1
            self._changes[places[number]] = self._newest
