"""Service IDs for stored bytes: found again, or rebuilt from the bytes when the service has forgotten them.

A handle belongs to one endpoint, so the same code moves work to another project. Uploads are free; two that
race leave one file too many on the service and nothing worse.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from assetmill.agents.gateway import Gateway
from assetmill.calls import BoundInput, BoundKnowledge
from assetmill.errors import InvalidInput
from assetmill.fingerprint import digest
from assetmill.records import HandleKind, ServiceHandle, Upload
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger


class Handles:
    """Resolves stored bytes to IDs that this endpoint knows now. Safe for threads."""

    def __init__(self, gateway: Gateway, blobs: Blobs, ledger: Ledger) -> None:
        self._gateway, self._blobs, self._ledger = gateway, blobs, ledger
        self._known: dict[str, str] = {}
        # Twenty variants of a stage share an input: without a lock per input each would upload it.
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def file_id(self, bound: BoundInput) -> str:
        """Return a file ID for an input, uploading its bytes only when the service has none."""
        what = f"file:{bound.blob.digest}:{bound.name}"
        return self._resolve(what, "file", self._gateway.has_file, lambda: self._upload(bound))

    def vector_store_id(self, knowledge: BoundKnowledge) -> str:
        """Return a vector store that holds exactly these files, building it only when there is none."""
        what = f"vector_store:{knowledge.digest}"
        return self._resolve(
            what, "vector_store", self._gateway.has_vector_store, lambda: self._build_store(knowledge)
        )

    def _resolve(
        self, what: str, kind: HandleKind, is_known: Callable[[str], bool], make: Callable[[], ServiceHandle]
    ) -> str:
        with self._guard:
            lock = self._locks[what]
        with lock:
            if what not in self._known:
                self._known[what] = self._find_or_make(what, kind, is_known, make)
            return self._known[what]

    def _find_or_make(
        self, what: str, kind: HandleKind, is_known: Callable[[str], bool], make: Callable[[], ServiceHandle]
    ) -> str:
        endpoint = self._gateway.endpoint
        number, newest = self._ledger.newest_upload(endpoint, what)
        if newest is not None and newest.handle.kind == kind and is_known(newest.handle.id):
            return newest.handle.id
        upload = Upload(nonce=uuid.uuid4().hex, handle=make())
        return self._ledger.write_upload(endpoint, what, number + 1, upload).handle.id

    def forget(self) -> None:
        """Ask the service again about every handle: one of them turned out to have expired."""
        with self._guard:
            self._known.clear()

    def _upload(self, bound: BoundInput) -> ServiceHandle:
        made = self._gateway.upload_file(bound.name, self._bytes(bound), bound.blob.media_type)
        return ServiceHandle(
            kind="file",
            id=made.file_id,
            endpoint=self._gateway.endpoint,
            created_at=made.created_at,
            expires_at=made.expires_at,
        )

    def _build_store(self, knowledge: BoundKnowledge) -> ServiceHandle:
        file_ids = [self.file_id(file) for file in knowledge.files]
        name = f"assetmill-{knowledge.name}-{knowledge.digest[7:15]}"
        made = self._gateway.create_vector_store(name, file_ids)
        return ServiceHandle(
            kind="vector_store", id=made, endpoint=self._gateway.endpoint, created_at=time.time()
        )

    def _bytes(self, bound: BoundInput) -> bytes:
        """Return an input's bytes, and keep those of a local file before anything else sees them."""
        if bound.path is None:
            return self._blobs.get(bound.blob)
        data = Path(bound.path).read_bytes()
        if digest(data) != bound.blob.digest:
            raise InvalidInput(f"{bound.path} has changed since the run was planned: run again")
        self._blobs.put(data, bound.blob.media_type)
        return data
