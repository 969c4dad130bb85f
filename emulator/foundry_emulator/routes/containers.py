"""Code interpreter containers and their files."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import quote

from foundry_emulator.boundary.errors import invalid, not_found
from foundry_emulator.responses import wire
from foundry_emulator.responses.turns import mounted_name
from foundry_emulator.routes.endpoint import Call, Operation, Reply
from foundry_emulator.routes.paging import page
from foundry_emulator.routes.uploads import is_form, uploaded


async def create(call: Call) -> Reply:
    """Make a container, perhaps with uploads in it."""
    body = await call.fields()
    body.only("name", "file_ids", "expires_after", "memory_limit", "network_policy")
    name = body.need_text("name", max_length=256)
    policy = body.fields("expires_after")
    minutes = 20
    if policy is not None:
        policy.choice("anchor", ("last_active_at",))
        minutes = policy.integer("minutes", 1, 60) or minutes
    limit = body.choice("memory_limit", ("1g", "4g", "16g", "64g"))
    network = body.fields("network_policy")
    if network is not None and network.choice("type", ("disabled", "allowlist")) == "allowlist":
        raise invalid(
            "The emulator's containers have no network.", "network_policy", "operation_not_emulated"
        )
    file_ids = body.texts("file_ids") or []
    uploads = [
        (call.project.files.need(file_id), call.project.files.content(file_id)) for file_id in file_ids
    ]
    container = call.project.containers.create(name, minutes=minutes, memory_limit=limit)
    for file, data in uploads:
        mounted = mounted_name(file["id"], file["filename"])
        call.project.containers.upload(container["id"], mounted, data, file["id"])
    return Reply(container)


async def list_containers(call: Call) -> Reply:
    """List containers, newest first unless told; expired ones say so."""
    for doc in call.project.state.all("container"):
        call.project.containers.find(doc.id)
    found = [doc.body for doc in call.project.state.all("container")]
    chosen, has_more = page(call, found, lambda body: body["id"])
    return Reply(wire.listing(chosen, has_more=has_more))


async def retrieve(call: Call) -> Reply:
    """Return a live container."""
    return Reply(call.project.containers.live(call.path("container_id")))


async def delete(call: Call) -> Reply:
    """Remove a container with its files."""
    container_id = call.path("container_id")
    call.project.containers.delete(container_id)
    return Reply({"id": container_id, "object": "container.deleted", "deleted": True})


async def create_file(call: Call) -> Reply:
    """Put a file into a container: an upload, or a file that is stored already."""
    container_id = call.path("container_id")
    containers = call.project.containers
    if is_form(call):
        upload = await uploaded(call)
        if upload.data is not None:
            containers.live(container_id)
            return Reply(containers.upload(container_id, upload.filename, upload.data))
        file_id = upload.texts.get("file_id", "")
    else:
        file_id = (await call.fields()).need_text("file_id")
    containers.live(container_id)
    file, data = call.project.files.need(file_id), call.project.files.content(file_id)
    name = mounted_name(file_id, file["filename"])
    return Reply(containers.upload(container_id, name, data, file_id))


async def list_files(call: Call) -> Reply:
    """List a container's files."""
    container_id = call.path("container_id")
    call.project.containers.live(container_id)
    found = [doc.body for doc in call.project.state.all("container_file", container_id)]
    chosen, has_more = page(call, found, lambda body: body["id"])
    return Reply(wire.listing(chosen, has_more=has_more))


async def retrieve_file(call: Call) -> Reply:
    """Return a file's description."""
    return Reply(call.project.containers.file(call.path("container_id"), call.path("file_id")))


async def file_content(call: Call) -> Reply:
    """Return a file's bytes."""
    container_id, file_id = call.path("container_id"), call.path("file_id")
    file = call.project.containers.file(container_id, file_id)
    data = call.project.state.read_blob(file_id)
    if data is None:
        raise not_found("Container file", file_id)
    name = file["path"].rpartition("/")[2]
    quoted = quote(name)
    plain = quoted if quoted == name else f"file{PurePosixPath(quoted).suffix}"
    told = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quoted}"
    # The service names the file and no content type.
    return Reply(content=data, media_type=None, headers={"content-disposition": told})


async def delete_file(call: Call) -> Reply:
    """Remove a file from a container."""
    file_id = call.path("file_id")
    call.project.containers.delete_file(call.path("container_id"), file_id)
    return Reply({"id": file_id, "object": "container.file.deleted", "deleted": True})


_ONE = "/containers/{container_id}"
OPERATIONS = (
    Operation("containers.create", "POST", "/containers", create, "no network, no skills"),
    Operation("containers.list", "GET", "/containers", list_containers),
    Operation("containers.retrieve", "GET", _ONE, retrieve),
    Operation("containers.delete", "DELETE", _ONE, delete),
    Operation("containers.files.create", "POST", f"{_ONE}/files", create_file),
    Operation("containers.files.list", "GET", f"{_ONE}/files", list_files),
    Operation("containers.files.retrieve", "GET", f"{_ONE}/files/{{file_id}}", retrieve_file),
    Operation("containers.files.content", "GET", f"{_ONE}/files/{{file_id}}/content", file_content),
    Operation("containers.files.delete", "DELETE", f"{_ONE}/files/{{file_id}}", delete_file),
)
