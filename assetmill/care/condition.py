"""What `assetmill doctor` says of a store: may it be written to, and is it the one that is meant?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress

from assetmill.agents.gateway import Finding
from assetmill.errors import StoreUnavailable
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.versions import versions_of


def findings_on_store(backend: Backend) -> Iterator[Finding]:
    """Yield what a person should know of a store that keeps its promises. Leaves nothing behind."""
    yield Finding("store", "ok", f"{backend.name} keeps its promises")
    yield from _writing(backend)
    yield from _versions(backend)
    if all(next(backend.list(prefix, limit=1), None) is None for prefix in (layout.STAGES, layout.INTENTS)):
        yield Finding(
            "store",
            "warning",
            f"{backend.name} holds nothing that was made",
            "right for a new project; else look whether a folder is not mounted, or a prefix or a copy not "
            "the one that is meant: what was paid for elsewhere would be paid for again",
        )


def _versions(backend: Backend) -> Iterator[Finding]:
    versions = versions_of(backend)
    # Whose credentials may not ask has nothing to do here: `purge` says that it could not look.
    with suppress(StoreUnavailable):
        if versions and versions.keeps_versions():
            yield Finding(
                "store",
                "warning",
                f"{backend.name} keeps what is deleted as older versions",
                "`purge --versions` removes those too; a lifecycle rule keeps `gc` from costing storage",
            )


def _writing(backend: Backend) -> Iterator[Finding]:
    key = layout.probe(secrets.token_hex(16))
    try:
        backend.create(key, b"doctor")
    except StoreUnavailable as error:
        advice = "runs need to write: give these credentials that right, or use others; reading commands work"
        yield Finding("store", "problem", f"{backend.name} can be read and not written to: {error}", advice)
        return
    try:
        backend.delete(key)
    except StoreUnavailable as error:
        advice = "`gc` and `purge` need that right; runs do not"
        yield Finding("store", "warning", f"nothing in {backend.name} may be deleted: {error}", advice)
