"""The tiles that hang on a wall, in their places: of work under way more come, and others change."""

from __future__ import annotations

import threading

from assetmill.gallery.tiles import Tile, UnderWay, Wall
from assetmill.records import AssetId


class Hanging:
    """What hangs on a wall. A tile keeps its place while the page is served; what is more comes at the end.

    Every change has a number, so that a page that was away asks for what came since. Safe for threads.
    """

    def __init__(self, wall: Wall) -> None:
        self._works: list[UnderWay] = []
        self._places: dict[tuple[int, str], list[int]] = {}
        self._tiles: tuple[Tile, ...] = wall.tiles
        self._changes: list[int] = [0] * len(wall.tiles)
        self._newest = 0
        self._lock = threading.Lock()
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
        return any(not work.is_over for work in self._works)

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
            StoreUnavailable: the store does not answer; what hangs stays as it is.
        """
        with self._lock:
            before, tiles = self._newest, list(self._tiles)
            for number, work in enumerate(self._works):
                if not work.is_over:
                    for name, told in work.look().items():
                        self._hang((number, name), told, tiles)
            self._tiles = tuple(tiles)
            return self._newest > before

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
