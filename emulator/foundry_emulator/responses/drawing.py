"""Carries out the image tool: what the tool's settings ask, what the painter made, what it costs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from foundry_emulator.boundary.errors import picture_refused
from foundry_emulator.boundary.faults import damaged
from foundry_emulator.interpreter.containers import MOUNT
from foundry_emulator.jsons import Json
from foundry_emulator.responses.events import ItemEvents
from foundry_emulator.responses.output import Output
from foundry_emulator.responses.turns import build_turn, drawn_name, pictures_to_edit
from foundry_emulator.steps import Draw, Drawn

if TYPE_CHECKING:
    from foundry_emulator.painter.image import ImageRequest, Painted


class Drawing:
    """The image tool of one response."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.used: list[Painted] = []

    def draw(self, step: Draw) -> Drawn:
        """Draw one picture, charge it, and put its item into the output.

        Raises:
            WireError: 400 when the parameters ask for what the model cannot do.
        """
        fault = self._output.fault
        request = self._request(step)
        item = self._item(request)
        if fault == "moderation_input":
            return self._refused(self._output.open(item), "input")
        if categories := self._output.project.tools.refuses(step.prompt):
            return self._refused(self._output.open(item), "input", categories)
        if fault == "empty_result" and not self._charged_empty():
            return Drawn(item["id"], None)
        events = self._output.open(item)
        painted = self._painted(request)
        self._output.project.note_unknown(painted.unknown, self._output.active.id)
        self._charge(item, painted, request.partial_images)
        item.update(
            size=painted.size,
            quality=painted.quality,
            background=painted.background,
            output_format=painted.output_format,
        )
        if fault == "moderation_output":
            return self._refused(events, "output")
        return self._delivered(events, painted, fault)

    def _charged_empty(self) -> bool:
        fault = self._output.active.fault
        return bool(fault and fault.params.get("charged"))

    def _request(self, step: Draw) -> ImageRequest:
        from foundry_emulator.painter.image import ImageRequest

        output = self._output
        tool = next(tool for tool in output.admitted.tools if tool["type"] == "image_generation")
        action = tool["action"] if tool["action"] in ("generate", "edit") else step.action
        pictures = pictures_to_edit(output.project, output.admitted) if action == "edit" else []
        mask = build_turn(output.project, output.admitted).mask if action == "edit" else None
        if action == "edit" and not pictures:
            message = "The image generation tool was asked to edit, but there is no picture to start from."
            raise picture_refused(message)
        return ImageRequest(
            prompt=step.prompt,
            action=action,
            size=tool["size"],
            quality=tool["quality"],
            output_format=tool["output_format"],
            output_compression=tool["output_compression"],
            background=tool["background"],
            input_fidelity=tool.get("input_fidelity"),
            pictures=tuple(picture.data for picture in pictures),
            mask=mask.data if mask else None,
            partial_images=tool["partial_images"] if output.active.stream is not None else 0,
            seed="",
            model=output.admitted.image_model or "gpt-image-2",
        )

    def _item(self, request: ImageRequest) -> Json:
        stays = self._output.project.settings.images_stay_generating
        return self._output.new_item(
            "image_generation_call",
            status="generating" if stays else "completed",
            result=None,
            action=request.action,
            background=request.background,
            output_format=request.output_format,
            quality=request.quality,
            size=request.size,
        )

    def _painted(self, request: ImageRequest) -> Painted:
        from foundry_emulator.painter.image import ImageToolError

        project = self._output.project
        try:
            if project.settings.canned_pictures:
                return _canned(project.tools.paint, request)
            with project.cores:
                self._output.stop_if_called_off()
                return project.tools.paint(request)
        except ImageToolError as problem:
            raise picture_refused(str(problem)) from problem

    def _charge(self, item: Json, painted: Painted, partial_images: int) -> None:
        output = self._output
        self.used.append(painted)
        output.project.billing.image(
            output.active.id,
            output.admitted.image_model or "gpt-image-2",
            call_id=item["id"],
            size=painted.size,
            quality=painted.quality,
            output_tokens=painted.output_tokens,
            input_image_tokens=painted.input_image_tokens,
            input_text_tokens=painted.input_text_tokens,
            partial_images=partial_images,
        )

    def _delivered(self, events: ItemEvents, painted: Painted, fault: str) -> Drawn:
        output, item = self._output, events.item
        state = output.project.state
        for number, partial in enumerate(painted.partials):
            if output.active.stream is not None:
                marker = state.store_picture(f"{item['id']}.partial{number}", partial)
                output.active.emit(events.partial(number, marker))
        item["revised_prompt"] = painted.revised_prompt
        item["result"] = None
        if fault != "empty_result":
            item["result"] = state.store_picture(item["id"], painted.data, lambda text: damaged(fault, text))
        output.close(events)
        path = f"{MOUNT}/{drawn_name(item)}"
        return Drawn(item["id"], painted.data, painted.revised_prompt, path=path)

    def _refused(self, events: ItemEvents, stage: str, categories: Sequence[str] = ("violence",)) -> Drawn:
        error: Json = {
            "code": "moderation_blocked",
            "message": "Your request was rejected by the safety system.",
            "param": None,
            "type": "image_generation_user_error",
            "moderation_details": {"categories": list(categories), "moderation_stage": stage},
        }
        events.item.update(status="failed", error=error)
        self._output.close(events)
        return Drawn(events.item["id"], None, error=error)

    def tool_usage(self) -> Json:
        """Return what OpenAI reports of the image tool's tokens; Azure reports nothing."""
        image_tokens = sum(one.input_image_tokens for one in self.used)
        text_tokens = sum(one.input_text_tokens for one in self.used)
        output = sum(one.output_tokens for one in self.used)
        image_gen = {
            "input_tokens": image_tokens + text_tokens,
            "input_tokens_details": {"image_tokens": image_tokens, "text_tokens": text_tokens},
            "output_tokens": output,
            "output_tokens_details": {"image_tokens": output, "text_tokens": 0},
            "total_tokens": image_tokens + text_tokens + output,
        }
        return {"image_gen": image_gen, "web_search": {"num_requests": 0}}


@functools.lru_cache(maxsize=64)
def _drawn_once(paint: Callable[[ImageRequest], Painted], request: ImageRequest) -> Painted:
    return paint(request)


def _canned(paint: Callable[[ImageRequest], Painted], request: ImageRequest) -> Painted:
    """Return one and the same picture for every request with these parameters."""
    plain = dataclasses.replace(
        request,
        prompt="A canned picture for benchmarks",
        action="generate",
        input_fidelity=None,
        pictures=(),
        mask=None,
        seed="canned",
    )
    return _drawn_once(paint, plain)
