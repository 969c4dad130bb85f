"""What commands about looking and reviewing print."""

from __future__ import annotations

from assetmill.documents.models import Json, JsonDocument


class GalleryDocument(JsonDocument):
    """A folder that was written; `lost` are paths whose bytes the store does not have."""

    directory: str
    page: str
    files: int
    size_bytes: int
    lost: list[str]


class OpenedDocument(JsonDocument):
    """A page that is served until the command is stopped. The link works once."""

    url: str
    reviewer: str | None


class ReviewedDocument(JsonDocument):
    """What was said of an asset's bytes, and where they stand now: `approved`, `rejected` or `open`."""

    asset_id: str
    sha256: str
    stand: str
    approved_by: list[str]
    reviews: list[Json]
    forged: list[str]


class ReviewersDocument(JsonDocument):
    """The reviewers of a project. `is_here`: the private key is in this home."""

    reviewers: list[Json]


class LinksDocument(JsonDocument):
    """The links by which reviewers come to the page that `assetmill serve` carries, never their secrets.

    `url` is that of the one that was made now; nobody can read it again.
    """

    links: list[Json]
    url: str | None = None
