"""Conversations and their items."""

from __future__ import annotations

from foundry_emulator import ids
from foundry_emulator.boundary.errors import invalid, no_conversation, not_found
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.jsons import Json
from foundry_emulator.responses import shapes, wire
from foundry_emulator.responses.including import included
from foundry_emulator.responses.items import ItemReader, shown
from foundry_emulator.routes.endpoint import Call, Operation, Reply
from foundry_emulator.routes.paging import page

_ITEMS_AT_ONCE = 20


def _need(call: Call) -> Json:
    conversation_id = call.path("conversation_id")
    doc = call.project.state.get("conversation", conversation_id)
    if doc is None:
        raise no_conversation(conversation_id)
    return doc.body


def _read_items(call: Call, body: Fields, conversation_id: str) -> list[Json]:
    entries = body.items("items") or []
    if len(entries) > _ITEMS_AT_ONCE:
        message = f"Invalid 'items': array too long. Expected at most {_ITEMS_AT_ONCE} items."
        raise invalid(message, "items", "array_above_max_length")
    partition = ids.partition_of(conversation_id) or ids.new_partition()
    reader = ItemReader(call.project.state, partition, call.project.state.find_item)
    return [reader.item(body.element("items", i, entry)) for i, entry in enumerate(entries)]


def _worded(call: Call, item: Json, include: frozenset[str]) -> Json:
    """Word an item as it is read back; the first preview said by whom it was made in one field."""
    worded = shown(item, include)
    if call.project.settings.dialect.is_azure:
        worded = shapes.without_unset(worded)
    if not call.project.settings.dialect.is_first or "response_id" not in worded:
        return worded
    reference, made_by = worded.get("agent_reference"), {"response_id": worded["response_id"]}
    agent = {"agent": {**reference, "type": "agent_id"}} if reference else {}
    kept = {key: value for key, value in worded.items() if key not in ("agent_reference", "response_id")}
    return {**kept, "created_by": {**agent, **made_by}}


def _store(call: Call, conversation_id: str, items: list[Json]) -> None:
    for item in items:
        call.project.state.put("item", item["id"], item, parent=conversation_id)


def _included(call: Call) -> frozenset[str]:
    params = call.request.query_params
    return included([*params.getlist("include"), *params.getlist("include[]")])


async def create(call: Call) -> Reply:
    """Start a conversation, perhaps with items."""
    body = await call.fields()
    body.only("items", "metadata")
    conversation: Json = {
        "id": ids.partitioned("conv_", ids.new_partition()),
        "object": "conversation",
        "created_at": call.project.clock.stamp(),
        "metadata": body.metadata() or {},
    }
    items = _read_items(call, body, conversation["id"])
    with call.project.state.transaction():
        call.project.state.put("conversation", conversation["id"], conversation)
        _store(call, conversation["id"], items)
    return Reply(conversation)


async def list_conversations(call: Call) -> Reply:
    """List conversations, newest first unless told."""
    docs = call.project.state.all("conversation")
    chosen, has_more = page(call, docs, lambda doc: doc.id)
    return Reply(wire.listing([doc.body for doc in chosen], has_more=has_more))


async def retrieve(call: Call) -> Reply:
    """Return a conversation."""
    return Reply(_need(call))


async def update(call: Call) -> Reply:
    """Replace a conversation's metadata."""
    conversation, body = _need(call), await call.fields()
    body.only("metadata")
    changed = {**conversation, "metadata": body.metadata() or {}}
    call.project.state.put("conversation", conversation["id"], changed)
    return Reply(changed)


async def delete(call: Call) -> Reply:
    """Remove a conversation; from here on it takes no new response."""
    conversation = _need(call)
    with call.project.state.transaction():
        call.project.state.delete("conversation", conversation["id"])
        call.project.state.delete_under("item", conversation["id"])
        if call.project.settings.forget_with_conversation:
            for doc in call.project.state.responses_of(conversation["id"]):
                call.responses.delete(doc.id)
    return Reply({"id": conversation["id"], "object": "conversation.deleted", "deleted": True})


async def create_items(call: Call) -> Reply:
    """Add items, at most twenty, and return them in the order given."""
    conversation, body = _need(call), await call.fields()
    body.only("items")
    body.need("items")
    items = _read_items(call, body, conversation["id"])
    with call.project.state.transaction():
        _store(call, conversation["id"], items)
    include = _included(call)
    return Reply(wire.listing([shown(item, include) for item in items], has_more=False))


async def list_items(call: Call) -> Reply:
    """List a conversation's items, newest first unless told."""
    conversation, include = _need(call), _included(call)
    docs = call.project.state.all("item", conversation["id"])
    chosen, has_more = page(call, docs, lambda doc: doc.id)
    return Reply(wire.listing([_worded(call, doc.body, include) for doc in chosen], has_more=has_more))


async def retrieve_item(call: Call) -> Reply:
    """Return one item."""
    conversation, item_id = _need(call), call.path("item_id")
    doc = call.project.state.get("item", item_id, conversation["id"])
    if doc is None:
        raise not_found("Item", item_id)
    return Reply(_worded(call, doc.body, _included(call)))


async def delete_item(call: Call) -> Reply:
    """Remove an item and return the conversation."""
    conversation, item_id = _need(call), call.path("item_id")
    if not call.project.state.delete("item", item_id, conversation["id"]):
        raise not_found("Item", item_id)
    return Reply(conversation)


_ONE = "/conversations/{conversation_id}"
OPERATIONS = (
    Operation("conversations.create", "POST", "/conversations", create),
    Operation("conversations.list", "GET", "/conversations", list_conversations, "Foundry only"),
    Operation("conversations.retrieve", "GET", _ONE, retrieve),
    Operation("conversations.update", "POST", _ONE, update),
    Operation("conversations.delete", "DELETE", _ONE, delete),
    Operation("conversations.items.create", "POST", f"{_ONE}/items", create_items),
    Operation("conversations.items.list", "GET", f"{_ONE}/items", list_items),
    Operation("conversations.items.retrieve", "GET", f"{_ONE}/items/{{item_id}}", retrieve_item),
    Operation("conversations.items.delete", "DELETE", f"{_ONE}/items/{{item_id}}", delete_item),
)
