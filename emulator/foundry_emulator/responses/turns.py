"""Gathers what the rules may see: the words, pictures and files of a turn, read from the state."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import cast

from foundry_emulator.boundary.errors import WireError
from foundry_emulator.interpreter.containers import MOUNT, safe_name
from foundry_emulator.jsons import Json
from foundry_emulator.project import Project
from foundry_emulator.responses.admission import Admitted
from foundry_emulator.responses.items import text_of
from foundry_emulator.steps import ContainerFile, Picture, Turn


def build_turn(project: Project, admitted: Admitted) -> Turn:
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
        pictures=tuple(pictures_in(project, history)),
        mask=_mask(project, admitted.tools),
        container_files=tuple(_container_files(project, admitted, history)),
        max_tool_calls=admitted.response["max_tool_calls"],
    )


def _newest_words(history: Sequence[Json]) -> str:
    spoken = [item for item in history if item["type"] == "message" and item["role"] == "user"]
    return text_of(spoken[-1]) if spoken else ""


def pictures_in(project: Project, items: Sequence[Json]) -> list[Picture]:
    """Return the pictures among items, oldest first; what cannot be read any more is left out."""
    found: list[Picture | None] = []
    for item in items:
        if item["type"] == "image_generation_call" and item.get("result"):
            found.append(_decoded(project.state.insourced(item["result"]), item["id"]))
        for part in _picture_parts(item):
            found.append(_picture(project, part))
    return [picture for picture in found if picture is not None]


def _picture_parts(item: Json) -> list[Json]:
    output = item.get("output")
    parts: list[Json] = [*(item.get("content") or ()), *(output if isinstance(output, list) else ())]
    if isinstance(output, dict):
        parts.append(cast(Json, output))
    return [part for part in parts if part["type"] in ("input_image", "computer_screenshot")]


def _picture(project: Project, part: Json) -> Picture | None:
    if part.get("file_id"):
        try:
            return Picture(project.files.content(part["file_id"]), part["file_id"])
        except WireError:
            return None
    url = project.state.insourced(part.get("image_url") or "")
    return _decoded(url.partition("base64,")[2], "data:")


def _decoded(text: str, source: str) -> Picture | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return Picture(data, source) if data else None


def _mask(project: Project, tools: Sequence[Json]) -> Picture | None:
    for tool in tools:
        mask = tool.get("input_image_mask")
        if mask:
            return _picture(project, mask)
    return None


def pictures_to_edit(project: Project, admitted: Admitted) -> list[Picture]:
    """Return what an edit starts from: the pictures given with this turn, else the newest in the history."""
    given = pictures_in(project, admitted.inputs)
    return given or pictures_in(project, admitted.history)[-1:]


def reusable_container(project: Project, admitted: Admitted) -> str | None:
    """Return the container that code will run in if there is one already."""
    for tool in admitted.tools:
        if tool["type"] == "code_interpreter" and isinstance(tool["container"], str):
            return tool["container"]
    calls = [item for item in admitted.history if item["type"] == "code_interpreter_call"]
    alive = [call["container_id"] for call in calls if project.containers.find(call["container_id"])]
    return alive[-1] if alive else None


def mounted_uploads(project: Project, admitted: Admitted) -> list[tuple[str, str, bytes]]:
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
            body = project.files.need(file_id)
            mounted.append((file_id, mounted_name(file_id, body["filename"]), project.files.content(file_id)))
        except WireError:
            continue
    drawn = [item for item in admitted.history if item["type"] == "image_generation_call"]
    return [*mounted, *_inline_files(project, admitted), *drawn_files(project, drawn)]


def drawn_files(project: Project, items: Sequence[Json]) -> list[tuple[str, str, bytes]]:
    """Return call ID, name and content of every picture that was drawn in these items."""
    drawn: list[tuple[str, str, bytes]] = []
    for item in items:
        found = _decoded(project.state.insourced(item.get("result") or ""), item["id"])
        if found:
            drawn.append((item["id"], drawn_name(item), found.data))
    return drawn


def drawn_name(item: Json) -> str:
    """Return the name under which a drawn picture appears in `/mnt/data`."""
    return f"{item['id']}-picture.{item.get('output_format') or 'png'}"


def _inline_files(project: Project, admitted: Admitted) -> list[tuple[str, str, bytes]]:
    inline: list[tuple[str, str, bytes]] = []
    for item in admitted.inputs:
        for part in item.get("content") or ():
            if part["type"] == "input_file" and part.get("file_data"):
                text = project.state.insourced(part["file_data"])
                found = _decoded(text.rpartition("base64,")[2], "data:")
                if found:
                    inline.append(("", safe_name(part.get("filename") or "file"), found.data))
    return inline


def mounted_name(file_id: str, filename: str) -> str:
    """Return the name under which an upload appears in `/mnt/data`."""
    return f"{file_id}-{safe_name(filename)}"


def _container_files(project: Project, admitted: Admitted, history: Sequence[Json]) -> list[ContainerFile]:
    del history
    if all(tool["type"] != "code_interpreter" for tool in admitted.tools):
        return []
    files = {
        f"{MOUNT}/{name}": ContainerFile(f"{MOUNT}/{name}", data, file_id or None)
        for file_id, name, data in mounted_uploads(project, admitted)
    }
    container_id = reusable_container(project, admitted)
    if container_id is not None:
        for doc in project.state.all("container_file", container_id):
            data = project.state.read_blob(doc.id)
            if data is not None:
                path = doc.body["path"]
                files.setdefault(path, ContainerFile(path, data, doc.extra.get("file_id") or doc.id))
    return list(files.values())
