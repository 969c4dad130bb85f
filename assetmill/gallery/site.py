"""A wall as the files of a web site: the same ones whether a folder holds them or a server makes them.

    index.html, gallery.css, *.js    the page
    session.js                       who looks, and may say something; nobody in a folder
    wall.js                          how many tiles there are, and what they can be filtered by
    tiles/0000.js                    what is told of tiles 0 to 99, and so on
    thumbnails/<sha256>.webp         a picture for a tile on a dense screen, 480 px
    thumbnails/<sha256>-small.webp   the same for other screens and smaller tiles, 256 px
    files/<sha256>.<extension>       an asset's own bytes

Data comes as scripts and the scripts are no modules, because a page from `file://` may load neither modules
nor data. Nothing is read before it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

from assetmill.errors import NotFound, StoreError, StoreUnavailable
from assetmill.gallery.details import Details
from assetmill.gallery.hanging import Hanging
from assetmill.gallery.reviewing import Reviewing
from assetmill.gallery.sheets import SheetOrder, contact_sheet
from assetmill.gallery.stars import Liking, Stars, facts_of
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.tiles import Tile, Wall
from assetmill.pictures import EXTENSIONS
from assetmill.records import AssetId
from assetmill.redaction import redact_known
from assetmill.store.blobs import Blobs

CHUNK = 100
"""Tiles whose facts come together: about 100 KB, and as many reads of records."""

PAGE = (
    "index.html",
    "icon.svg",
    "gallery.css",
    "data.js",
    "session.js",
    "grid.js",
    "viewer.js",
    "facts.js",
    "decisions.js",
    "review.js",
    "next.js",
    "likes.js",
    "closer.js",
    "change.js",
    "live.js",
    "gallery.js",
)

_TYPES = {".html": "text/html", ".svg": "image/svg+xml", ".css": "text/css", ".js": "text/javascript"}
_READERS = 8


@dataclass(frozen=True)
class Resource:
    """What one path of a site holds. `is_shown`: a browser may show it, not only keep it as a file."""

    data: bytes
    media_type: str
    is_shown: bool = True


class Site:
    """The site of one wall."""

    def __init__(
        self,
        wall: Wall,
        details: Details,
        thumbnails: ThumbnailStore,
        blobs: Blobs,
        *,
        reviewing: Reviewing | None = None,
        stars: Stars | None = None,
    ) -> None:
        self._wall, self.details, self._thumbnails, self._blobs = wall, details, thumbnails, blobs
        self.reviewing, self.stars = reviewing, stars
        self.hanging = Hanging(wall)
        # Bytes are given only to who sees a tile that has them, or was made from them.
        self._assets = set[AssetId]()
        self._files: dict[str, Tile] = {}
        for tile in self.hanging.tiles:
            self._offer(tile)

    @property
    def goes_on_as(self) -> str:
        """The run or the batch that hangs here, by which its next pass is asked for; "" for other walls."""
        kind = self._wall.kind
        return kind.removeprefix("batch ") if kind.startswith(("run_", "batch ")) else ""

    def hangs(self, asset_id: AssetId) -> bool:
        """Whether an asset is on this wall."""
        return asset_id in self._assets

    def offered(self, tile: Tile) -> dict[str, str]:
        """Let the page read what belongs to a tile, and return the paths of its bytes."""
        self._offer(tile)
        return _places(tile)

    def changed(self, since: int) -> tuple[int, list[tuple[int, dict[str, Any]]]]:
        """Return what is told of the tiles that changed after a change, by place, and the newest change."""
        # What comes after `now` is told again after the next change, never left out.
        hung, newest = self.hanging.now()
        places = [place for place in self.hanging.since(since) if place < len(hung)]
        tiles = [hung[place] for place in places]
        return newest, list(zip(places, self._told(tiles), strict=True))

    def paths(self) -> Iterator[str]:
        """Yield every path that there is, the page first.

        Each is to be read as it comes: what pictures were made from is known once their tiles are read.
        """
        yield from PAGE
        yield "wall.js"
        yield from (f"tiles/{number:04d}.js" for number in range(-(-len(self.hanging.tiles) // CHUNK)))
        yield from tuple(self._files)

    def read(self, path: str) -> Resource | None:
        """Return what a path holds; None when there is no such path, or its bytes are lost.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        if path in PAGE:
            return Resource(page_file(path), _TYPES[PurePosixPath(path).suffix])
        if path == "wall.js":
            return script("wall", self.summary())
        if tile := self._files.get(path):
            return self._bytes(path, tile)
        number = path.removeprefix("tiles/").removesuffix(".js")
        is_chunk = number.isdecimal() and path == f"tiles/{int(number):04d}.js"
        return self._chunk(int(number)) if is_chunk else None

    def summary(self) -> dict[str, Any]:
        """Return what the page knows before it shows anything: short, whatever the number of tiles."""
        tiles, newest = self.hanging.now()
        stages, stage_of = _numbered(tile.label for tile in tiles)
        states, state_of = _numbered(tile.state for tile in tiles)
        reviewing = self.reviewing
        stands, stand_of = _numbered(iter(reviewing.stands(tiles) if reviewing else ()))
        liked = self.stars.all() if self.stars else {}
        at = self._wall.at
        return {
            "title": self._wall.title,
            "kind": self._wall.kind,
            "total": len(tiles),
            "chunk": CHUNK,
            "stages": stages,
            "stage": stage_of,
            "states": states,
            "state": state_of,
            "stands": stands,
            "stand": stand_of,
            "likes": [_like_of(liked.get(tile.sha256)) for tile in tiles] if liked else [],
            "at": next((n for n, tile in enumerate(tiles) if tile.asset_id == at), None) if at else None,
            "live": newest if self.hanging.is_live else None,
        }

    def _chunk(self, number: int) -> Resource | None:
        tiles = self.hanging.tiles[number * CHUNK : (number + 1) * CHUNK]
        return script("chunk", number, self._told(tiles)) if tiles else None

    def _told(self, tiles: Sequence[Tile]) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(_READERS, "gallery") as pool:
            told = list(pool.map(self._tell, tiles))
        if self.reviewing:
            told = [one | said for one, said in zip(told, self.reviewing.facts(tiles), strict=True)]
        if self.stars:
            liked = self.stars.all()
            told = [one | facts_of(liked.get(tile.sha256)) for one, tile in zip(told, tiles, strict=True)]
        return told

    def sheet(self, order: SheetOrder) -> bytes:
        """Return a contact sheet of tiles of this wall.

        Raises:
            NotFound: one of them hangs nowhere here.
            InvalidInput: too many for a PDF.
        """
        at = {tile.asset_id: tile for tile in self.hanging.tiles if tile.is_picture}
        for asset_id in order.assets:
            if asset_id not in at:
                raise NotFound("picture on this wall", asset_id)

        def thumbnail(tile: Tile) -> bytes | None:
            return self._thumbnails.read(tile.blob) if tile.blob else None

        return contact_sheet(self._wall.title, [at[one] for one in order.assets], thumbnail, order.format)

    def _tell(self, tile: Tile) -> dict[str, Any]:
        self._offer(tile)
        facts, parent = self.details.of(tile)
        told = facts | _places(tile)
        if parent:
            self._offer(parent)
            place = self.hanging.place_of(parent)
            told["before"] = {"id": parent.asset_id, "name": parent.name, "at": place, **_places(parent)}
        if tile.frames:
            told["frames"] = [_places(frame)["file"] for frame in _frames(tile)]
        return told

    def _offer(self, tile: Tile) -> None:
        if tile.asset_id:
            self._assets.add(tile.asset_id)
        for one in (tile, *_frames(tile)):
            for path in _places(one).values():
                self._files.setdefault(path, one)

    def _bytes(self, path: str, tile: Tile) -> Resource | None:
        if tile.blob is None:
            return None
        if path.startswith("thumbnails/"):
            data = self._thumbnails.read(tile.blob, is_small=path.endswith("-small.webp"))
            return Resource(data, "image/webp") if data else None
        try:
            return Resource(self._blobs.get(tile.blob), tile.blob.media_type, is_shown=tile.is_picture)
        except StoreUnavailable:
            raise
        except StoreError:
            return None


def _frames(tile: Tile) -> list[Tile]:
    """Return the partial pictures of a tile, as tiles of their own."""
    frames = [Tile(tile.name, tile.label, "frame", blob=blob) for blob in tile.frames]
    return [frame for frame in frames if frame.is_picture]


def _places(tile: Tile) -> dict[str, str]:
    """Return the paths of a tile's bytes: `file`, `small` and `thumbnail` where it is a picture."""
    if tile.blob is None:
        return {}
    file = {"file": f"files/{tile.sha256}{_extension(tile)}"}
    if not tile.is_picture:
        return file
    stem = f"thumbnails/{tile.sha256}"
    return file | {"small": f"{stem}-small.webp", "thumbnail": f"{stem}.webp"}


def _extension(tile: Tile) -> str:
    """Return the ending under which a file is kept: that of its type for pictures, of its name for others."""
    if tile.blob and tile.blob.media_type in EXTENSIONS:
        return f".{EXTENSIONS[tile.blob.media_type]}"
    ending = PurePosixPath(tile.name).suffix.lower()
    return ending if ending[1:].isascii() and ending[1:].isalnum() and len(ending) <= 8 else ".bin"


def _like_of(liking: Liking | None) -> int:
    """Return stars as their number, with 8 more for a favourite."""
    return liking.stars + 8 * liking.is_favourite if liking else 0


def _numbered(words: Iterator[str]) -> tuple[list[str], list[int]]:
    """Return the distinct words, and the place of each one among them."""
    places: dict[str, int] = {}
    numbers = [places.setdefault(word, len(places)) for word in words]
    return list(places), numbers


def script(function: str, *values: object) -> Resource:
    """Return a script that calls a function of the page with plain data."""
    # All ASCII: what is data to JSON is data to JavaScript too, whatever a prompt holds.
    said = ", ".join(redact_known(json.dumps(value, separators=(",", ":"))) for value in values)
    return Resource(f"gallery.{function}({said});\n".encode("ascii"), "text/javascript")


def page_file(name: str) -> bytes:
    """Return a file of the pages."""
    return resources.files("assetmill.gallery").joinpath("page", name).read_bytes()
