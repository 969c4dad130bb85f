"""Stars and favourites: what somebody likes, for themselves. They are no reviews, and decide nothing.

They lie in the project's home by the digest of the bytes, so that the same picture has them on every wall.
"""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from assetmill.fingerprint import short_key
from assetmill.holding import held
from assetmill.private import make_folder, write_private
from assetmill.records import AssetId

MOST_STARS = 5


class Liking(BaseModel):
    """What somebody thinks of a picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stars: Annotated[int, Field(ge=0, le=MOST_STARS)] = 0
    is_favourite: bool = False


class LikingOrder(Liking):
    """The same as the page sends it, with the picture that is meant."""

    asset_id: AssetId
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


_Likings = TypeAdapter(dict[str, Liking])
_NONE = Liking()


class Stars:
    """The stars of one home. Safe for threads and for several processes."""

    def __init__(self, home: Path, reviewer: str | None = None) -> None:
        """Read those of a home; with a reviewer's name, what they like on a page that a team shares."""
        own = "stars.json" if reviewer is None else f"stars-{short_key(reviewer)}.json"
        self._path = home / "gallery" / own
        self._lock = Lock()

    def all(self) -> dict[str, Liking]:
        """Return what is liked, by SHA-256; a file that cannot be read counts as none."""
        try:
            return _Likings.validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}

    def put(self, sha256: str, liking: Liking) -> Liking:
        """Keep what somebody thinks of a picture, and return it."""
        with self._lock, held(make_folder(self._path.parent)):
            found = self.all() | {sha256: liking}
            kept = {name: one.model_dump(mode="json") for name, one in found.items() if one != _NONE}
            write_private(self._path, json.dumps(kept).encode())
        return liking


def facts_of(liking: Liking | None) -> dict[str, Any]:
    """Return a liking as plain data for the page."""
    found = liking or _NONE
    return {"stars": found.stars, "favourite": found.is_favourite}
