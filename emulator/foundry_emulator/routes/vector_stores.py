"""Vector stores, their files, batches of files, and search."""

from __future__ import annotations

from foundry_emulator import ids
from foundry_emulator.boundary.errors import invalid, not_found
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.jsons import Json
from foundry_emulator.responses import toolspecs, wire
from foundry_emulator.routes.endpoint import Call, Operation, Reply
from foundry_emulator.routes.paging import page
from foundry_emulator.state import Doc
from foundry_emulator.vector_stores import file_counts

_BATCH_LIMIT = 500


def _chunking(body: Fields) -> Json:
    strategy = body.fields("chunking_strategy")
    sizes = strategy.fields("static") if strategy else None
    if strategy is not None:
        strategy.choice("type", ("auto", "static"))
    largest = sizes.integer("max_chunk_size_tokens", 100, 4096) if sizes else None
    overlap = sizes.integer("chunk_overlap_tokens", 0, 2048) if sizes else None
    static: Json = {
        "max_chunk_size_tokens": 800 if largest is None else largest,
        "chunk_overlap_tokens": 400 if overlap is None else overlap,
    }
    if static["chunk_overlap_tokens"] * 2 > static["max_chunk_size_tokens"]:
        message = "The overlap may be at most half of the chunk size."
        raise invalid(message, "chunking_strategy.static.chunk_overlap_tokens")
    return {"type": "static", "static": static}


def _attributes(body: Fields) -> Json:
    attributes = body.fields("attributes")
    if attributes is None:
        return {}
    if len(attributes.raw) > 16:
        raise invalid("Invalid 'attributes': at most 16.", "attributes", "object_above_max_properties")
    for name, value in attributes.raw.items():
        if not isinstance(value, (str, int, float, bool)) or len(name) > 64:
            raise attributes.wrong_type(name, "a string, number or boolean")
    return attributes.raw


def _expiry(body: Fields) -> Json | None:
    policy = body.fields("expires_after")
    if policy is None:
        return None
    policy.choice("anchor", ("last_active_at",))
    return {"anchor": "last_active_at", "days": policy.integer("days", 1, 365) or 7}


async def create(call: Call) -> Reply:
    """Make a store, perhaps with files."""
    body = await call.fields()
    body.only("name", "file_ids", "metadata", "expires_after", "chunking_strategy", "description")
    stores, file_ids, chunking = call.project.vector_stores, body.texts("file_ids") or [], _chunking(body)
    expiry, name = _expiry(body), body.text("name", max_length=256) or ""
    for file_id in file_ids:
        call.project.files.need(file_id)
    store = stores.create(name, metadata=body.metadata() or {}, expires_after=expiry)
    for file_id in file_ids:
        stores.attach(store["id"], file_id, attributes={}, chunking=chunking)
    return Reply(stores.shown(stores.need(store["id"])))


async def list_stores(call: Call) -> Reply:
    """List stores, newest first unless told."""
    stores = call.project.vector_stores
    found = [stores.shown(stores.need(doc.id)) for doc in call.project.state.all("vector_store")]
    chosen, has_more = page(call, found, lambda body: body["id"])
    return Reply(wire.listing(chosen, has_more=has_more))


async def retrieve(call: Call) -> Reply:
    """Return a store."""
    stores = call.project.vector_stores
    return Reply(stores.shown(stores.need(call.path("vector_store_id"))))


async def update(call: Call) -> Reply:
    """Change a store's name, metadata and expiry."""
    stores, body = call.project.vector_stores, await call.fields()
    body.only("name", "metadata", "expires_after")
    store = dict(stores.live(call.path("vector_store_id")))
    if (name := body.text("name", max_length=256)) is not None:
        store["name"] = name
    if "metadata" in body.raw:
        store["metadata"] = body.metadata() or {}
    if "expires_after" in body.raw:
        store["expires_after"] = _expiry(body)
    call.project.state.put("vector_store", store["id"], store)
    return Reply(stores.shown(store))


async def delete(call: Call) -> Reply:
    """Remove a store; its files stay."""
    store_id = call.path("vector_store_id")
    call.project.vector_stores.delete(store_id)
    return Reply({"id": store_id, "object": "vector_store.deleted", "deleted": True})


async def search(call: Call) -> Reply:
    """Search a store."""
    body = await call.fields()
    body.only("query", "filters", "max_num_results", "ranking_options", "rewrite_query")
    query = body.need("query")
    queries = body.texts("query") if isinstance(query, list) else [body.need_text("query")]
    filters, ranking = body.fields("filters"), body.fields("ranking_options") or Fields({})
    hits = call.project.vector_stores.search(
        [call.path("vector_store_id")],
        queries or [],
        max_results=body.integer("max_num_results", 1, 50) or 10,
        filters=toolspecs.checked_filters(filters) if filters else None,
        score_threshold=ranking.number("score_threshold", 0, 1) or 0.0,
    )
    data = [
        {
            "file_id": hit.file_id,
            "filename": hit.filename,
            "score": hit.score,
            "attributes": dict(hit.attributes),
            "content": [{"type": "text", "text": hit.text}],
        }
        for hit in hits
    ]
    return Reply(
        {
            "object": "vector_store.search_results.page",
            "search_query": queries,
            "data": data,
            "has_more": False,
            "next_page": None,
        }
    )


def _need_file(call: Call) -> Doc:
    store_id, file_id = call.path("vector_store_id"), call.path("file_id")
    call.project.vector_stores.need(store_id)
    doc = call.project.state.get("vector_store_file", file_id, store_id)
    if doc is None:
        raise not_found("Vector store file", file_id)
    return doc


def _shown_file(body: Json) -> Json:
    """Leave attributes out where there are none."""
    return {key: value for key, value in body.items() if key != "attributes" or value}


async def attach(call: Call) -> Reply:
    """Add a file to a store."""
    body = await call.fields()
    body.only("file_id", "attributes", "chunking_strategy")
    attached = call.project.vector_stores.attach(
        call.path("vector_store_id"),
        body.need_text("file_id"),
        attributes=_attributes(body),
        chunking=_chunking(body),
    )
    return Reply(_shown_file(attached))


async def list_files(call: Call) -> Reply:
    """List a store's files, perhaps of one status."""
    store_id = call.path("vector_store_id")
    call.project.vector_stores.need(store_id)
    return _files_page(call, call.project.state.all("vector_store_file", store_id))


def _files_page(call: Call, docs: list[Doc]) -> Reply:
    status = call.query("filter")
    found = [_shown_file(doc.body) for doc in docs if status in (None, doc.body["status"])]
    chosen, has_more = page(call, found, lambda body: body["id"])
    return Reply(wire.listing(chosen, has_more=has_more))


async def retrieve_file(call: Call) -> Reply:
    """Return a file of a store with its state of indexing."""
    return Reply(_shown_file(_need_file(call).body), headers={"openai-poll-after-ms": "200"})


async def update_file(call: Call) -> Reply:
    """Replace the attributes of a file in a store."""
    doc, body = _need_file(call), await call.fields()
    body.only("attributes")
    changed = {**doc.body, "attributes": _attributes(body)}
    call.project.state.put("vector_store_file", doc.id, changed, parent=doc.parent)
    return Reply(changed)


async def file_content(call: Call) -> Reply:
    """Return the passages that a file was taken apart into."""
    doc = _need_file(call)
    passages = call.project.vector_stores.passages(doc.parent, doc.id)
    return Reply(
        {
            "object": "vector_store.file_content.page",
            "data": [{"type": "text", "text": text} for text in passages],
            "has_more": False,
            "next_page": None,
        }
    )


async def detach(call: Call) -> Reply:
    """Take a file out of a store."""
    doc = _need_file(call)
    call.project.vector_stores.detach(doc.parent, doc.id)
    return Reply({"id": doc.id, "object": "vector_store.file.deleted", "deleted": True})


def _shown_batch(call: Call, batch: Json) -> Json:
    files = _batch_files(call, batch)
    counts = file_counts([doc.body for doc in files])
    status = "cancelled" if batch["cancelled"] else "in_progress" if counts["in_progress"] else "completed"
    return {
        "id": batch["id"],
        "object": "vector_store.files_batch",
        "created_at": batch["created_at"],
        "vector_store_id": batch["vector_store_id"],
        "status": status,
        "file_counts": counts,
    }


def _batch_files(call: Call, batch: Json) -> list[Doc]:
    docs = call.project.state.all("vector_store_file", batch["vector_store_id"])
    return [doc for doc in docs if doc.extra.get("batch_id") == batch["id"]]


def _need_batch(call: Call) -> Json:
    batch_id, store_id = call.path("batch_id"), call.path("vector_store_id")
    doc = call.project.state.get("file_batch", batch_id, store_id)
    if doc is None:
        raise not_found("File batch", batch_id)
    return doc.body


async def create_batch(call: Call) -> Reply:
    """Add several files at once."""
    store_id, body = call.path("vector_store_id"), await call.fields()
    body.only("file_ids", "files", "attributes", "chunking_strategy")
    call.project.vector_stores.live(store_id)
    entries = [
        *(
            Fields({"file_id": file_id, "attributes": body.raw.get("attributes")})
            for file_id in body.texts("file_ids") or []
        ),
        *(body.objects("files") or []),
    ]
    if not 1 <= len(entries) <= _BATCH_LIMIT:
        raise invalid(f"Invalid 'file_ids': give 1 to {_BATCH_LIMIT} files.", "file_ids")
    for entry in entries:
        call.project.files.need(entry.need_text("file_id"))
    batch: Json = {
        "id": ids.file_batch_id(),
        "vector_store_id": store_id,
        "created_at": call.project.clock.stamp(),
        "cancelled": False,
    }
    call.project.state.put("file_batch", batch["id"], batch, parent=store_id)
    default = _chunking(body)
    for entry in entries:
        chunking = _chunking(entry) if entry.has("chunking_strategy") else default
        call.project.vector_stores.attach(
            store_id,
            entry.need_text("file_id"),
            attributes=_attributes(entry),
            chunking=chunking,
            batch_id=batch["id"],
        )
    return Reply(_shown_batch(call, batch))


async def retrieve_batch(call: Call) -> Reply:
    """Return a batch with its counts."""
    return Reply(_shown_batch(call, _need_batch(call)), headers={"openai-poll-after-ms": "200"})


async def cancel_batch(call: Call) -> Reply:
    """Stop indexing what a batch has not finished."""
    batch: Json = {**_need_batch(call), "cancelled": True}
    store_id = batch["vector_store_id"]
    for doc in _batch_files(call, batch):
        if doc.body["status"] == "in_progress":
            body = {**doc.body, "status": "cancelled"}
            call.project.state.put("vector_store_file", doc.id, body, parent=store_id)
    call.project.state.put("file_batch", batch["id"], batch, parent=store_id)
    return Reply(_shown_batch(call, batch))


async def list_batch_files(call: Call) -> Reply:
    """List the files of a batch."""
    return _files_page(call, _batch_files(call, _need_batch(call)))


_ONE = "/vector_stores/{vector_store_id}"
OPERATIONS = (
    Operation("vector_stores.create", "POST", "/vector_stores", create),
    Operation("vector_stores.list", "GET", "/vector_stores", list_stores),
    Operation("vector_stores.retrieve", "GET", _ONE, retrieve),
    Operation("vector_stores.update", "POST", _ONE, update),
    Operation("vector_stores.delete", "DELETE", _ONE, delete),
    Operation("vector_stores.search", "POST", f"{_ONE}/search", search, "lexical (BM25), not semantic"),
    Operation("vector_stores.files.create", "POST", f"{_ONE}/files", attach),
    Operation("vector_stores.files.list", "GET", f"{_ONE}/files", list_files),
    Operation("vector_stores.files.retrieve", "GET", f"{_ONE}/files/{{file_id}}", retrieve_file),
    Operation("vector_stores.files.update", "POST", f"{_ONE}/files/{{file_id}}", update_file),
    Operation("vector_stores.files.content", "GET", f"{_ONE}/files/{{file_id}}/content", file_content),
    Operation("vector_stores.files.delete", "DELETE", f"{_ONE}/files/{{file_id}}", detach),
    Operation("vector_stores.file_batches.create", "POST", f"{_ONE}/file_batches", create_batch),
    Operation(
        "vector_stores.file_batches.retrieve", "GET", f"{_ONE}/file_batches/{{batch_id}}", retrieve_batch
    ),
    Operation(
        "vector_stores.file_batches.cancel", "POST", f"{_ONE}/file_batches/{{batch_id}}/cancel", cancel_batch
    ),
    Operation(
        "vector_stores.file_batches.list_files",
        "GET",
        f"{_ONE}/file_batches/{{batch_id}}/files",
        list_batch_files,
    ),
)
