"""What was left on the service and no record needs: found in the store's own records, then deleted.

Conversations of attempts that came to nothing, uploads that a newer one replaced, files and vector stores
that nothing has used for long, and old versions of our agents. What was committed keeps its conversation: an
image call can only be gone on with while its response is there. Whatever goes is rebuilt when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from assetmill.names import is_same_endpoint
from assetmill.records import Upload
from assetmill.stage.services import Services

LeftoverKind = Literal["conversation", "file", "vector_store", "agent_version"]


@dataclass(frozen=True)
class Leftover:
    """Something on the service that no record needs. `name` is the agent's, for a version."""

    kind: LeftoverKind
    id: str
    why: str
    name: str = ""


def leftovers(services: Services, older_than_s: float) -> Iterator[Leftover]:
    """Yield what can go. Uploads and agent versions must be older than `older_than_s` as well."""
    yield from _conversations(services)
    yield from _uploads(services, services.clock() - older_than_s)
    yield from _agent_versions(services, services.clock() - older_than_s)


def reap(services: Services, leftover: Leftover) -> None:
    """Delete one leftover; gone already is fine."""
    gateway = services.gateway
    if leftover.kind == "conversation":
        gateway.delete_conversation(leftover.id)
    elif leftover.kind == "file":
        gateway.delete_file(leftover.id)
    elif leftover.kind == "vector_store":
        gateway.delete_vector_store(leftover.id)
    else:
        gateway.delete_agent_version(leftover.name, leftover.id)


def _conversations(services: Services) -> Iterator[Leftover]:
    for verdict, intent in services.ledger.dead_attempts():
        # A rejected picture that was kept can still be gone on with: its image call lives here.
        calls = [handle for asset in verdict.kept for handle in asset.handles if handle.kind == "image_call"]
        is_here = is_same_endpoint(intent.endpoint, services.gateway.endpoint) and intent.conversation_id
        if is_here and not calls:
            yield Leftover("conversation", intent.conversation_id, f"attempt {verdict.kind}: {intent.stage}")


def _uploads(services: Services, before: float) -> Iterator[Leftover]:
    for upload, is_newest in services.ledger.uploads(services.gateway.endpoint):
        if not is_newest:
            yield _leftover(upload, "replaced by a newer upload")
        elif upload.handle.created_at < before:
            yield _leftover(upload, "uploaded long ago; rebuilt when it is needed")


def _leftover(upload: Upload, why: str) -> Leftover:
    kind = "vector_store" if upload.handle.kind == "vector_store" else "file"
    return Leftover(kind, upload.handle.id, why)


def _agent_versions(services: Services, before: float) -> Iterator[Leftover]:
    for entry in services.gateway.list_agent_versions():
        if not entry.is_newest and entry.created_at < before:
            yield Leftover("agent_version", entry.version, "an old version", entry.name)
