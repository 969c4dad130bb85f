"""Vector stores: files are taken apart in the background, then searched."""

from __future__ import annotations

import json
import posixpath
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from foundry_emulator import ids
from foundry_emulator.boundary.errors import WireError, invalid, not_found
from foundry_emulator.clock import Clock
from foundry_emulator.files import Files
from foundry_emulator.jsons import Json
from foundry_emulator.state import State
from foundry_emulator.steps import Hit
from foundry_emulator.toolbox import Toolbox

if TYPE_CHECKING:
    # The tools load when something is searched: a server that draws starts without them.
    from foundry_emulator.search.ranking import Chunk

_SUPPORTED = frozenset(
    {
        *(".c", ".cpp", ".cs", ".css", ".doc", ".docx", ".go", ".html", ".java", ".js", ".json", ".md"),
        *(".pdf", ".php", ".pptx", ".py", ".rb", ".sh", ".tex", ".ts", ".txt"),
    }
)
_DAY_S = 86_400


class VectorStores:
    """Makes vector stores, indexes their files on the tool threads, and searches them."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        files: Files,
        tools: Toolbox,
        pool: ThreadPoolExecutor,
        *,
        processing_s: Callable[[], float],
    ) -> None:
        self._state = state
        self._clock = clock
        self._files = files
        self._tools = tools
        self._pool = pool
        self._processing_s = processing_s
        # Batches attach many files at once, and each ends on a thread of its own.
        self._lock = threading.Lock()

    def create(self, name: str, *, metadata: Json, expires_after: Json | None) -> Json:
        """Make an empty store."""
        now = self._clock.stamp()
        body: Json = {
            "id": ids.vector_store_id(),
            "object": "vector_store",
            "created_at": now,
            "name": name,
            "metadata": metadata,
            "expires_after": expires_after,
            "last_active_at": now,
            "status": "completed",
        }
        self._state.put("vector_store", body["id"], body)
        return self.shown(body)

    def need(self, store_id: str) -> Json:
        """Return a store, which may have expired.

        Raises:
            WireError: 404 when there is none.
        """
        doc = self._state.get("vector_store", store_id)
        if doc is None:
            raise not_found("Vector store", store_id)
        expires_at = _expires_at(doc.body)
        if expires_at is not None and expires_at <= self._clock.now():
            self._state.put("vector_store", store_id, {**doc.body, "status": "expired"})
            return {**doc.body, "status": "expired"}
        return doc.body

    def live(self, store_id: str) -> Json:
        """Return a store that can be used, and count that as activity.

        Raises:
            WireError: 404 when it is gone or has expired.
        """
        body = self.need(store_id)
        if body["status"] == "expired":
            message = f"Vector store with id '{store_id}' has expired."
            raise WireError(404, "vector_store_expired", message, param="vector_store_ids")
        body = {**body, "last_active_at": self._clock.stamp()}
        self._state.put("vector_store", store_id, body)
        return body

    def shown(self, body: Json) -> Json:
        """Return a store as it is sent: with counts, size and status drawn from its files."""
        files = [doc.body for doc in self._state.all("vector_store_file", body["id"])]
        counts = file_counts(files)
        status = body["status"]
        if status != "expired":
            status = "in_progress" if counts["in_progress"] else "completed"
        return {
            "id": body["id"],
            "object": "vector_store",
            "created_at": body["created_at"],
            "name": body["name"],
            "status": status,
            "usage_bytes": sum(one["usage_bytes"] for one in files),
            "file_counts": counts,
            "metadata": body["metadata"],
            "expires_after": body["expires_after"],
            "expires_at": _expires_at(body),
            "last_active_at": body["last_active_at"],
        }

    def attach(
        self, store_id: str, file_id: str, *, attributes: Json, chunking: Json, batch_id: str | None = None
    ) -> Json:
        """Add a file to a store; it is indexed in the background.

        Raises:
            WireError: 404 for an unknown file, 400 for a kind of file that cannot be searched.
        """
        self.live(store_id)
        file = self._files.need(file_id)
        _refuse_unsupported(file["filename"])
        body: Json = {
            "id": file_id,
            "object": "vector_store.file",
            "created_at": self._clock.stamp(),
            "vector_store_id": store_id,
            "status": "in_progress",
            "last_error": None,
            "usage_bytes": 0,
            "attributes": attributes,
            "chunking_strategy": chunking,
        }
        extra = {"filename": file["filename"], "batch_id": batch_id}
        self._state.put("vector_store_file", file_id, body, parent=store_id, extra=extra)
        self._pool.submit(self._index, store_id, file_id)
        return body

    def resume(self) -> None:
        """Index what was still in progress when the last server ended."""
        for doc in self._state.all("vector_store_file", None):
            if doc.body["status"] == "in_progress":
                self._pool.submit(self._index, doc.parent, doc.id)

    def _index(self, store_id: str, file_id: str) -> None:
        doc = self._state.get("vector_store_file", file_id, store_id)
        if doc is None:
            return
        delay_s = self._processing_s()
        if delay_s:
            threading.Event().wait(delay_s)
        outcome = self._indexed(doc.extra["filename"], file_id, store_id, doc.body["chunking_strategy"])
        with self._lock:
            now = self._state.get("vector_store_file", file_id, store_id)
            if now is not None and now.body["status"] == "in_progress":
                self._state.put("vector_store_file", file_id, {**now.body, **outcome}, parent=store_id)

    def _indexed(self, filename: str, file_id: str, store_id: str, chunking: Json) -> Json:
        from foundry_emulator.search.extraction import UnreadableFile

        sizes = chunking["static"]
        try:
            text = self._tools.extract_text(filename, self._files.content(file_id))
        except (UnreadableFile, WireError) as problem:
            return {"status": "failed", "last_error": {"code": "invalid_file", "message": str(problem)}}
        pieces = self._tools.chunk(text, sizes["max_chunk_size_tokens"], sizes["chunk_overlap_tokens"])
        content = json.dumps(pieces).encode()
        self._state.write_blob(_chunks_name(store_id, file_id), content)
        return {"status": "completed", "usage_bytes": sum(len(piece.encode()) for piece in pieces)}

    def detach(self, store_id: str, file_id: str) -> None:
        """Take a file out of a store; the file itself stays."""
        if not self._state.delete("vector_store_file", file_id, store_id):
            raise not_found("Vector store file", file_id)
        self._state.drop_blob(_chunks_name(store_id, file_id))

    def delete(self, store_id: str) -> None:
        """Remove a store with its index."""
        self.need(store_id)
        for doc in self._state.all("vector_store_file", store_id):
            self._state.drop_blob(_chunks_name(store_id, doc.id))
        self._state.delete_under("vector_store_file", store_id)
        self._state.delete_under("file_batch", store_id)
        self._state.delete("vector_store", store_id)

    def passages(self, store_id: str, file_id: str) -> list[str]:
        """Return the passages of an indexed file, in order."""
        content = self._state.read_blob(_chunks_name(store_id, file_id))
        return json.loads(content) if content else []

    def search(
        self,
        store_ids: Sequence[str],
        queries: Sequence[str],
        *,
        max_results: int,
        filters: Json | None,
        score_threshold: float,
    ) -> list[Hit]:
        """Search what is indexed in these stores.

        Raises:
            WireError: 404 when a store is gone or has expired.
        """
        from foundry_emulator.search.ranking import Chunk, InvalidFilter

        chunks = [chunk for store_id in store_ids for chunk in self._chunks(store_id, Chunk)]
        try:
            return self._tools.search(queries, chunks, max_results, filters, score_threshold)
        except InvalidFilter as problem:
            raise invalid(str(problem), "filters") from problem

    def _chunks(self, store_id: str, make: Callable[..., Chunk]) -> list[Chunk]:
        self.live(store_id)
        return [
            make(
                file_id=doc.id,
                filename=doc.extra["filename"],
                text=text,
                attributes=doc.body["attributes"] or {},
            )
            for doc in self._state.all("vector_store_file", store_id)
            if doc.body["status"] == "completed"
            for text in self.passages(store_id, doc.id)
        ]


def file_counts(files: Sequence[Json]) -> Json:
    """Count files by status."""
    counts = {status: 0 for status in ("in_progress", "completed", "failed", "cancelled")}
    for one in files:
        counts[one["status"]] += 1
    return {**counts, "total": len(files)}


def _chunks_name(store_id: str, file_id: str) -> str:
    return f"{store_id}.{file_id}.chunks"


def _expires_at(body: Json) -> int | None:
    policy = body["expires_after"]
    return body["last_active_at"] + policy["days"] * _DAY_S if policy else None


def _refuse_unsupported(filename: str) -> None:
    extension = posixpath.splitext(filename)[1].lower()
    if extension not in _SUPPORTED:
        message = (
            f"Files with extensions [{extension or 'none'}] are not supported for retrieval. "
            f"Supported file types include: [{', '.join(sorted(_SUPPORTED))}]."
        )
        raise invalid(message, "file_id", "unsupported_file")
