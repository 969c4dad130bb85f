"""Uploaded files."""

from __future__ import annotations

from foundry_emulator import ids
from foundry_emulator.boundary.errors import WireError, invalid
from foundry_emulator.jsons import Json
from foundry_emulator.responses import wire
from foundry_emulator.routes.endpoint import Call, Operation, Reply
from foundry_emulator.routes.paging import page
from foundry_emulator.routes.uploads import UploadForm, uploaded

_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_NOT_FOR_PICTURES = ("vision", "user_data")
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_SHORTEST_S, _LONGEST_S = 3600, 2_592_000


def _expires_at(upload: UploadForm, now: int) -> int | None:
    anchor, seconds = upload.texts.get("expires_after[anchor]"), upload.texts.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise invalid("Invalid value for 'expires_after.anchor': use 'created_at'.", "expires_after.anchor")
    text = seconds or ""
    if not (text.isascii() and text.isdigit() and _SHORTEST_S <= int(text[:12]) <= _LONGEST_S):
        message = f"Invalid 'expires_after.seconds': expected {_SHORTEST_S} to {_LONGEST_S}."
        raise invalid(message, "expires_after.seconds")
    return now + int(text)


async def create(call: Call) -> Reply:
    """Keep an upload."""
    upload = await uploaded(call)
    purpose = upload.texts.get("purpose")
    if purpose is None:
        raise invalid("Missing required parameter: 'purpose'.", "purpose", "missing_required_parameter")
    if purpose not in _PURPOSES:
        words = ", ".join(f"'{one}'" for one in _PURPOSES)
        raise invalid(f"Invalid value: '{purpose[:80]}'. Supported values are: {words}.", "purpose")
    dialect = call.project.settings.dialect
    is_picture = upload.filename.lower().endswith(_PICTURES)
    if purpose in _NOT_FOR_PICTURES and is_picture and dialect.is_azure:
        # As a sample of Microsoft's tells of it; other files it uploads as user data itself.
        raise invalid("Invalid file ContentType", "purpose")
    if upload.data is None:
        raise invalid("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    now = call.project.clock.stamp()
    file_id = ids.file_id(purpose, is_azure=dialect.is_azure)
    body: Json = {
        "id": file_id,
        "object": "file",
        "purpose": purpose,
        "filename": upload.filename,
        "bytes": len(upload.data),
        "created_at": now,
        "expires_at": _expires_at(upload, now),
        "status": "processed",
        "status_details": None,
    }
    call.project.state.write_blob(file_id, upload.data)
    call.project.state.put("file", file_id, body)
    if purpose == "fine-tune" and dialect.is_azure:
        # Azure checks it afterwards; whoever waits for that, as the SDK can, must see it end.
        pending = {**body, "status": "pending"}
        return Reply(pending, 201, headers={"location": f"{call.request.url}/{file_id}"})
    return Reply(body)


async def list_files(call: Call) -> Reply:
    """List files that have not expired, newest first unless told."""
    purpose, now = call.query("purpose"), call.project.clock.now()
    found = [
        doc.body
        for doc in call.project.state.all("file")
        if purpose in (None, doc.body["purpose"]) and (doc.body["expires_at"] or now + 1) > now
    ]
    chosen, has_more = page(call, found, lambda body: body["id"], default=100)
    return Reply(wire.listing(chosen, has_more=has_more))


async def retrieve(call: Call) -> Reply:
    """Return a file's description."""
    return Reply(call.project.files.need(call.path("file_id")))


async def content(call: Call) -> Reply:
    """Return a file's bytes."""
    data = call.project.files.content(call.path("file_id"))
    if (
        call.project.settings.refuse_assistants_download
        and call.project.files.need(call.path("file_id"))["purpose"] == "assistants"
    ):
        raise WireError(400, "invalid_request", "Not allowed to download files of purpose: assistants")
    return Reply(content=data, media_type="application/octet-stream")


async def delete(call: Call) -> Reply:
    """Remove a file."""
    file_id = call.path("file_id")
    call.project.files.need(file_id)
    call.project.state.delete("file", file_id)
    call.project.state.drop_blob(file_id)
    return Reply({"id": file_id, "object": "file", "deleted": True})


OPERATIONS = (
    Operation("files.create", "POST", "/files", create),
    Operation("files.list", "GET", "/files", list_files),
    Operation("files.retrieve", "GET", "/files/{file_id}", retrieve),
    Operation("files.content", "GET", "/files/{file_id}/content", content),
    Operation("files.delete", "DELETE", "/files/{file_id}", delete),
)
