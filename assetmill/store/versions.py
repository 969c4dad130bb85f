"""Stores that keep what is deleted as an older version: what is purged must go from there too.

Only buckets do so, and only where somebody switched it on; the port's eight verbs know nothing of it.
"""

from __future__ import annotations

from typing import Protocol, cast

from assetmill.store.backend import Backend


class Versions(Protocol):
    """What an adapter can do whose bucket may keep versions."""

    def keeps_versions(self) -> bool:
        """Return whether what is deleted stays there as an older version.

        Raises:
            StoreUnavailable: these credentials may not ask.
        """
        ...

    def delete_versions(self, prefix: str) -> int:
        """Delete every version of the keys that start with `prefix` for good; return how many there were.

        Raises:
            StoreUnavailable: these credentials may not do so, or a lock holds them.
        """
        ...


def versions_of(backend: Backend) -> Versions | None:
    """Return what tells of versions, None for a kind of store that has none."""
    inner = getattr(backend, "waits_for", backend)
    return cast(Versions, inner) if hasattr(inner, "delete_versions") else None
