"""Gathers what the rules may see: the words, pictures and files of a turn, read from the state."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from foundry_emulator.boundary.errors import ServiceError
from foundry_emulator.interpreter.containers import MOUNT, safe_name
from foundry_emulator.jsons import Json
from foundry_emulator.responses.admission import Admitted
from foundry_emulator.responses.items import text_of
from foundry_emulator.responses.steps import ContainerFile, Picture, Turn

if TYPE_CHECKING:
    from foundry_emulator.project import Service


def build_turn(service: Service, admitted: Admitted) -> Turn:
    """Return the turn of an admitted response."""
    history = [*admitted.history, *admitted.inputs]
    return Turn(
        text=_newest_words(history),
        instructions=admitted.response["instructions"] or "",
        history=history,
        tools=admitted.tools,
        model=admitted.response["model"],
        tool_choice=admitted.response["tool_choice"],
        text_format=admitted.response["text"]["format"],
        pictures=tuple(pictures_in(service, history)),
        mask=_mask(service, admitted.tools),
        container_files=tuple(_container_files(service, admitted, history)),
        max_tool_calls=admitted.response["max_tool_calls"],
    )


def _newest_words(history: Sequence[Json]) -> str:
    spoken = [item for item in history if item["type"] == "message" and item["role"] == "user"]
    return text_of(spoken[-1]) if spoken else ""


def pictures_in(service: Service, items: Sequence[Json]) -> list[Picture]:
    """Return the pictures among items, oldest first; what cannot be read any more is left out."""
    found: list[Picture | None] = []
    for item in items:
        if item["type"] == "image_generation_call" and item.get("result"):
            found.append(_decoded(service.state.insourced(item["result"]), item["id"]))
        for part in _picture_parts(item):
            found.append(_picture(service, part))
    return [picture for picture in found if picture is not None]


def _picture_parts(item: Json) -> list[Json]:
    output = item.get("output")
    parts: list[Json] = [*(item.get("content") or ()), *(output if isinstance(output, list) else ())]
    if isinstance(output, dict):
        parts.append(cast(Json, output))
    return [part for part in parts if part["type"] in ("input_image", "computer_screenshot")]


def _picture(service: Service, part: Json) -> Picture | None:
    if part.get("file_id"):
        try:
            return Picture(service.file_bytes(part["file_id"]), part["file_id"])
        except ServiceError:
            return None
    url = service.state.insourced(part.get("image_url") or "")
    return _decoded(url.partition("base64,")[2], "data:")


def _decoded(text: str, source: str) -> Picture | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return Picture(data, source) if data else None


def _mask(service: Service, tools: Sequence[Json]) -> Picture | None:
    for tool in tools:
        mask = tool.get("input_image_mask")
        if mask:
            return _picture(service, mask)
    return None


def pictures_to_edit(service: Service, admitted: Admitted) -> list[Picture]:
    """Return what an edit starts from: the pictures given with this turn, else the newest in the history."""
    given = pictures_in(service, admitted.inputs)
    return given or pictures_in(service, admitted.history)[-1:]


def reusable_container(service: Service, admitted: Admitted) -> str | None:
    """Return the container that code will run in if there is one already."""
    for tool in admitted.tools:
        if tool["type"] == "code_interpreter" and isinstance(tool["container"], str):
            return tool["container"]
    calls = [item for item in admitted.history if item["type"] == "code_interpreter_call"]
    alive = [call["container_id"] for call in calls if service.containers.find(call["container_id"])]
    return alive[-1] if alive else None


def mounted_uploads(service: Service, admitted: Admitted) -> list[tuple[str, str, bytes]]:
    """Return file ID, name and content of every upload that code of this turn finds in `/mnt/data`."""
    wanted: dict[str, None] = {}
    for tool in admitted.tools:
        if tool["type"] == "code_interpreter" and not isinstance(tool["container"], str):
            wanted.update(dict.fromkeys(tool["container"]["file_ids"]))
    for item in [*admitted.history, *admitted.inputs]:
        for part in item.get("content") or ():
            if part.get("file_id"):
                wanted[part["file_id"]] = None
    mounted: list[tuple[str, str, bytes]] = []
    for file_id in wanted:
        try:
            body = service.file(file_id)
            mounted.append((file_id, mounted_name(file_id, body["filename"]), service.file_bytes(file_id)))
        except ServiceError:
            continue
    drawn = [item for item in admitted.history if item["type"] == "image_generation_call"]
    return [*mounted, *_inline_files(service, admitted), *drawn_files(service, drawn)]


def drawn_files(service: Service, items: Sequence[Json]) -> list[tuple[str, str, bytes]]:
    """Return call ID, name and content of every picture that was drawn in these items."""
    drawn: list[tuple[str, str, bytes]] = []
    for item in items:
        found = _decoded(service.state.insourced(item.get("result") or ""), item["id"])
        if found:
            drawn.append((item["id"], drawn_name(item), found.data))
    return drawn


def drawn_name(item: Json) -> str:
    """Return the name under which a drawn picture appears in `/mnt/data`."""
    return f"{item['id']}-picture.{item.get('output_format') or 'png'}"


def _inline_files(service: Service, admitted: Admitted) -> list[tuple[str, str, bytes]]:
    inline: list[tuple[str, str, bytes]] = []
    for item in admitted.inputs:
        for part in item.get("content") or ():
            if part["type"] == "input_file" and part.get("file_data"):
                text = service.state.insourced(part["file_data"])
                found = _decoded(text.rpartition("base64,")[2], "data:")
                if found:
                    inline.append(("", safe_name(part.get("filename") or "file"), found.data))
    return inline


def mounted_name(file_id: str, filename: str) -> str:
    """Return the name under which an upload appears in `/mnt/data`."""
    return f"{file_id}-{safe_name(filename)}"


def _container_files(service: Service, admitted: Admitted, history: Sequence[Json]) -> list[ContainerFile]:
    del history
    if all(tool["type"] != "code_interpreter" for tool in admitted.tools):
        return []
    files = {
        f"{MOUNT}/{name}": ContainerFile(f"{MOUNT}/{name}", data, file_id or None)
        for file_id, name, data in mounted_uploads(service, admitted)
    }
    container_id = reusable_container(service, admitted)
    if container_id is not None:
        for doc in service.state.all("container_file", container_id):
            data = service.state.read_blob(doc.id)
            if data is not None:
                path = doc.body["path"]
                files.setdefault(path, ContainerFile(path, data, doc.extra.get("file_id") or doc.id))
    return list(files.values())
