"""What a turn rests on: files, stores, containers that are there, answered calls, room to read."""

from __future__ import annotations

from foundry_emulator import data
from foundry_emulator.boundary.errors import WireError, invalid, picture_refused
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.jsons import Json
from foundry_emulator.project import Project
from foundry_emulator.responses import wire
from foundry_emulator.responses.items import text_of


def check_files(project: Project, tools: list[Json], inputs: list[Json]) -> None:
    """Refuse a turn that names a store, a container or a file that is not there."""
    for tool in tools:
        if tool["type"] == "file_search":
            for store_id in tool["vector_store_ids"]:
                project.vector_stores.live(store_id)
        elif tool["type"] == "code_interpreter":
            container = tool["container"]
            if isinstance(container, str):
                project.containers.live(container)
            else:
                for file_id in container["file_ids"]:
                    project.files.need(file_id)
        elif (mask := tool.get("input_image_mask")) and mask.get("file_id"):
            project.files.need(mask["file_id"])
    for part in _parts(inputs):
        if part.get("file_id"):
            project.files.need(part["file_id"])


def check_container(project: Project, tools: list[Json], history: list[Json]) -> None:
    """Refuse a turn whose history ran code in a container that has ended."""
    if project.settings.replace_expired_containers or not project.settings.dialect.is_azure:
        return
    kinds = {tool["type"] for tool in tools if not isinstance(tool.get("container"), str)}
    used = [item["container_id"] for item in history if item["type"] == "code_interpreter_call"]
    if "code_interpreter" in kinds and used and project.state.get("container", used[-1]):
        project.containers.need_alive(used[-1])


def check_pictures(
    project: Project, request: Fields, image_model: str | None, history: list[Json], inputs: list[Json]
) -> None:
    """Refuse what the settings say that Azure does not do with pictures."""
    if image_model is None:
        return
    settings = project.settings
    if settings.refuse_image_streaming and request.raw.get("stream"):
        raise _unsupported("Image generation is not supported in streaming mode.")
    if settings.refuse_image_file_ids and any(
        part.get("file_id") and part["type"] == "input_image" for part in _parts(inputs)
    ):
        raise _unsupported("Images cannot be referenced by file ID: send a data URL.")
    earlier = [item for item in [*history, *inputs] if item["type"] == "image_generation_call"]
    if settings.refuse_image_multi_turn and earlier:
        raise _unsupported("Multi-turn editing of images is not supported.")


def check_format(project: Project, tools: list[Json]) -> None:
    """Refuse pictures as webp where a setting says that the service writes none."""
    for number, tool in enumerate(tools):
        is_webp = tool["type"] == "image_generation" and tool["output_format"] == "webp"
        if is_webp and project.settings.refuse_webp:
            message = "Invalid value: 'webp'. Supported values are: 'png' and 'jpeg'."
            raise invalid(message, f"tools[{number}].output_format")


def check_window(model: str, items: list[Json]) -> None:
    """Refuse what no model of this name could read."""
    limit = data.context_window(model)
    # Estimated from characters, so only what is far beyond it is refused.
    if sum(wire.tokens_in(text_of(item)) for item in items) > limit:
        message = (
            "Your input exceeds the context window of this model. Please adjust your input and try again."
        )
        raise invalid(message, "input", "context_length_exceeded")


def _unsupported(message: str) -> WireError:
    return picture_refused(message, "input")


def _parts(items: list[Json]) -> list[Json]:
    parts: list[Json] = []
    for item in items:
        if isinstance(item.get("content"), list):
            parts += item["content"]
        if isinstance(item.get("output"), list):
            parts += item["output"]
        elif isinstance(item.get("output"), dict):
            parts.append(item["output"])
    return parts


def check_calls_answered(items: list[Json]) -> None:
    """Refuse a turn that leaves a call without its output, or answers one that was never made."""
    for call, answer in (
        ("function_call", "function_call_output"),
        ("computer_call", "computer_call_output"),
    ):
        asked = {item["call_id"] for item in items if item["type"] == call}
        answered = {item["call_id"] for item in items if item["type"] == answer}
        words = answer.split("_")[0]
        for call_id in sorted(answered - asked):
            raise invalid(
                f"No tool call found for {words} call output with call_id {call_id[:80]}.", "input", None
            )
        for call_id in sorted(asked - answered):
            raise invalid(f"No tool output found for {words} call {call_id[:80]}.", "input", None)
