"""A purge: the bytes of an asset go, here and on the service; what records say of it stays, as do receipts.

Order: tombstones, so that a reader is told why; then the bytes; then the service's copies; then the receipt.
A purge that was cut short is made again and finishes.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from assetmill.agents.gateway import Gateway
from assetmill.care.local_copies import local_copies
from assetmill.errors import InvalidInput, KeyExists, ServiceError, StoreUnavailable
from assetmill.fingerprint import Digest
from assetmill.history.lineage import trace
from assetmill.names import is_same_endpoint
from assetmill.records import AssetId, AssetRecord, ServiceHandle, Stored
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.index import Index
from assetmill.store.versions import versions_of

Outcome = Literal["deleted", "failed", "elsewhere", "expires"]
"""Of a service-side copy. `elsewhere`: at another endpoint. `expires`: the service deletes it by itself."""


class Tombstone(Stored):
    """That bytes were purged; their digest stays in the records that name them."""

    schema_version: Literal[1] = 1
    digest: Digest
    asset_id: AssetId
    created_at: float


class ServiceCopy(Stored):
    """A copy on the service, and what became of it."""

    kind: str
    id: str
    endpoint: str
    outcome: Outcome
    message: str = ""


class LocalCopy(Stored):
    """A copy that the product wrote on this machine, and what became of it. `left`: nobody asked for it."""

    path: str
    outcome: Literal["deleted", "failed", "left"]
    message: str = ""


class OldVersions(Stored):
    """What a bucket keeps of what was deleted. `left`: nobody asked for it; `unknown`: nobody may look."""

    outcome: Literal["none", "deleted", "left", "failed", "unknown"] = "none"
    count: int = 0
    message: str = ""


UNREACHED = (
    "files exported to folders outside of the project's home",
    "backups, and copies that somebody made of the store or of an export",
    "pages and contact sheets with small pictures of it",
)
"""Where a purge never looks: nobody has noted where such copies are."""


class PurgeReceipt(Stored):
    """What a purge removed. `records_kept`: the assets whose records still tell of them.

    `local`: copies below the project's home. `versions`: older ones in a bucket that keeps them.
    `unreached`: where nobody has looked.
    """

    schema_version: Literal[1] = 1
    digests: tuple[Digest, ...]
    records_kept: tuple[AssetId, ...]
    size_bytes: int
    service: tuple[ServiceCopy, ...]
    asked_service: bool
    local: tuple[LocalCopy, ...] = ()
    versions: OldVersions = OldVersions()
    unreached: tuple[str, ...] = ()
    created_at: float

    @property
    def is_complete(self) -> bool:
        """Whether nothing that was to be removed is left."""
        is_gone = all(copy.outcome in {"deleted", "expires"} for copy in self.service)
        is_gone = is_gone and self.versions.outcome != "failed"
        return is_gone and all(copy.outcome != "failed" for copy in self.local)


_PLACES = (layout.blob, layout.quarantined)
"""Where bytes lie. The digest's own key is a prefix of those beside it."""


@dataclass(frozen=True)
class Purge:
    """What a purge will remove. `shared`: other assets that have the very same bytes."""

    assets: tuple[AssetRecord, ...]
    shared: tuple[AssetId, ...]

    @property
    def digests(self) -> tuple[Digest, ...]:
        """The bytes, once each."""
        return tuple(dict.fromkeys(asset.blob.digest for asset in self.assets))


def plan_purge(asset: AssetRecord, services: Services, index: Index, *, derivatives: bool) -> Purge:
    """Return what would be removed: an asset and, if asked, everything that was made from it.

    Raises:
        InvalidInput: it has more descendants than are read at once.
    """
    assets = {asset.asset_id: asset}
    if derivatives:
        family = trace(asset, services.ledger, index, ("down",))
        if family.is_cut:
            raise InvalidInput(f"{asset.asset_id} has too many descendants: purge them in parts")
        found = (member.asset for member in family.members.values())
        assets |= {one.asset_id: one for one in found if one}
    digests = {one.blob.digest for one in assets.values()}
    shared = [other for one in digests for other in index.with_digest(one) if other not in assets]
    return Purge(tuple(assets.values()), tuple(dict.fromkeys(shared)))


def carry_out(
    purge: Purge,
    services: Services,
    *,
    ask_service: bool,
    clear_local: bool = False,
    clear_versions: bool = False,
) -> PurgeReceipt:
    """Remove the bytes and, if asked, copies on the service and here and older versions; return the receipt.

    Repeating is harmless. Assets that share the bytes lose them too: they are the same bytes.
    """
    now = services.clock()
    for asset in purge.assets:
        _bury(asset, services, now)
    freed = sum(_delete_blob(one, services) for one in purge.digests)
    copies = tuple(_service_copies(purge.assets, services)) if ask_service else ()
    receipt = PurgeReceipt(
        digests=purge.digests,
        records_kept=(*(asset.asset_id for asset in purge.assets), *purge.shared),
        size_bytes=freed,
        service=copies,
        asked_service=ask_service,
        local=tuple(_local_copies(purge, services, clear=clear_local)),
        versions=_old_versions(purge, services.backend, clear=clear_versions),
        unreached=UNREACHED,
        created_at=now,
    )
    key = layout.purge_receipt(time.time_ns(), uuid.uuid4().hex)
    services.backend.create(key, receipt.model_dump_json().encode())
    return receipt


def _local_copies(purge: Purge, services: Services, *, clear: bool) -> Iterator[LocalCopy]:
    settings = services.settings
    wanted = {(asset.blob.digest, asset.blob.size_bytes) for asset in purge.assets}
    for path in list(local_copies(wanted, settings)):
        if path.is_relative_to(settings.emulator_home):
            yield LocalCopy(path=str(path), outcome="left", message="the embedded service's own: --service")
        elif not clear:
            yield LocalCopy(path=str(path), outcome="left")
        else:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                yield LocalCopy(path=str(path), outcome="failed", message=error.strerror or str(error))
            else:
                yield LocalCopy(path=str(path), outcome="deleted")


def _old_versions(purge: Purge, backend: Backend, *, clear: bool) -> OldVersions:
    versions = versions_of(backend)
    if versions is None:
        return OldVersions()
    try:
        if not versions.keeps_versions():
            return OldVersions()
    except StoreUnavailable as error:
        return OldVersions(outcome="unknown", message=str(error)[:300])
    if not clear:
        return OldVersions(outcome="left")
    try:
        places = [place(one) for one in purge.digests for place in _PLACES]
        return OldVersions(outcome="deleted", count=sum(map(versions.delete_versions, places)))
    except StoreUnavailable as error:
        return OldVersions(outcome="failed", message=str(error)[:300])


def _bury(asset: AssetRecord, services: Services, now: float) -> None:
    note = Tombstone(digest=asset.blob.digest, asset_id=asset.asset_id, created_at=now)
    try:
        services.backend.create(layout.tombstone(note.digest), note.model_dump_json().encode())
    except KeyExists:
        return  # the same bytes were purged before, and made again since


def _delete_blob(one: Digest, services: Services) -> int:
    """Delete the bytes wherever they lie, damaged ones too; return how many there were."""
    backend, freed = services.backend, 0
    for place in _PLACES:
        for entry in list(backend.list(place(one))):
            backend.delete(entry.key)
            freed += entry.size_bytes
    return freed


def _service_copies(assets: Iterable[AssetRecord], services: Services) -> Iterator[ServiceCopy]:
    gateway = services.gateway
    seen: set[tuple[str, str, str]] = set()
    for asset in assets:
        for handle in _handles(asset, services, gateway):
            key = (handle.kind, handle.id, handle.endpoint)
            if key not in seen:
                seen.add(key)
                yield _remove(handle, gateway)


def _handles(asset: AssetRecord, services: Services, gateway: Gateway) -> Iterator[ServiceHandle]:
    """Yield every handle of an asset: those it came with, those made since, and the response that drew it."""
    # A picture that an image model gave itself leaves nothing there under any name.
    is_direct = asset.made_by is not None and not asset.made_by.conversation_id
    yield from (handle for handle in asset.handles if not (is_direct and handle.kind == "response"))
    for what in (f"picture:{asset.blob.digest}", f"file:{asset.blob.digest}:{asset.name}"):
        for entry in services.backend.list(layout.handles(gateway.endpoint, what)):
            if upload := services.ledger.read_upload(entry.key):
                yield upload.handle
    if (made_by := asset.made_by) and not is_direct:
        yield ServiceHandle(
            kind="response",
            id=made_by.response_id,
            endpoint=made_by.endpoint,
            created_at=asset.created_at,
        )


def _remove(handle: ServiceHandle, gateway: Gateway) -> ServiceCopy:
    copy = ServiceCopy(kind=handle.kind, id=handle.id, endpoint=handle.endpoint, outcome="deleted")
    if not is_same_endpoint(handle.endpoint, gateway.endpoint):
        return copy.model_copy(update={"outcome": "elsewhere", "message": "use a profile of that endpoint"})
    remove = _verb(handle, gateway)
    if remove is None:
        message = "it goes with its response" if handle.kind == "image_call" else "within the hour"
        return copy.model_copy(update={"outcome": "expires", "message": message})
    try:
        remove(handle.id)
    except ServiceError as error:
        return copy.model_copy(update={"outcome": "failed", "message": str(error)[:300]})
    return copy


def _verb(handle: ServiceHandle, gateway: Gateway) -> Callable[[str], None] | None:
    if handle.kind == "file":
        return gateway.delete_file
    if handle.kind == "vector_store":
        return gateway.delete_vector_store
    return gateway.delete_response if handle.kind == "response" else None
