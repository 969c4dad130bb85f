"""A picture to be looked at in a conversation: small, upright, and never larger than a host takes."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import dataclass

from assetmill.errors import InvalidInput
from assetmill.history.assets import AssetFinder
from assetmill.looking import Look
from assetmill.serving_agents.standing import open_backend
from assetmill.settings import Settings
from assetmill.store.blobs import Blobs
from assetmill.store.index import Index
from assetmill.store.ledger import Ledger

STANDARD_PX, MOST_PX = 480, 1024
MOST_BYTES = 256 * 1024
_QUALITIES = (80, 60, 40, 20)


@dataclass(frozen=True)
class Thumbnail:
    """A small JPEG of an asset, with what it shows."""

    asset_id: str
    name: str
    data: bytes
    width: int
    height: int
    whole: tuple[int | None, int | None]


def thumbnail(asset: str, longest_px: int, settings: Settings) -> Thumbnail:
    """Return a small picture of an asset, named as for `assetmill edit`.

    Raises:
        InvalidInput: it shows nothing that can be looked at.
    """
    with closing(open_backend(settings)) as backend:
        ledger = Ledger(backend)
        found = AssetFinder(ledger, Index(backend, ledger)).find(asset)
        try:
            seen = Look(Blobs(backend).get(found.blob)).first(min(longest_px, MOST_PX)).convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise InvalidInput(f"{found.name} ({found.blob.media_type}) is no picture to look at") from error
        for quality in _QUALITIES:
            data = io.BytesIO()
            seen.save(data, "JPEG", quality=quality)
            if data.tell() <= MOST_BYTES:
                break
    return Thumbnail(
        found.asset_id, found.name, data.getvalue(), *seen.size, whole=(found.width, found.height)
    )
