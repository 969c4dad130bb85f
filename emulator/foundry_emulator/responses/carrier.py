"""Carries out what the rules decide, step by step, with the real tools, and writes the output items."""

from __future__ import annotations

import json
import logging

from foundry_emulator import ids
from foundry_emulator.boundary.errors import WireError
from foundry_emulator.jsons import Json, compact
from foundry_emulator.project import Project
from foundry_emulator.responses import wire
from foundry_emulator.responses.active import ActiveResponse
from foundry_emulator.responses.coding import Coding
from foundry_emulator.responses.drawing import Drawing
from foundry_emulator.responses.items import text_of
from foundry_emulator.responses.mcp_calls import McpCalls
from foundry_emulator.responses.output import Output, Stopped
from foundry_emulator.responses.turns import build_turn
from foundry_emulator.steps import (
    CallFunction,
    CallMcp,
    Draw,
    FoundPassages,
    ListMcpTools,
    RunCode,
    Say,
    SearchFiles,
    Step,
    StepResult,
    Turn,
    UseComputer,
)

_LOG = logging.getLogger(__name__)
_COUNTED = (Draw, RunCode, SearchFiles, CallMcp)
_CHARACTERS_PER_TOKEN = 4
_REASONING_TOKENS = 64


class Carrier:
    """Does the work of one response, on one thread."""

    def __init__(self, project: Project, active: ActiveResponse) -> None:
        self._project = project
        self._active = active
        self._admitted = active.admitted
        self._output = Output(project, active)
        self._calls = 0
        self._incomplete: str | None = None
        self._drawing = Drawing(self._output)
        self._coding = Coding(self._output)
        self._mcp = McpCalls(self._output)

    def work(self) -> None:
        """Run the turn to its end; whatever goes wrong becomes the response's final status."""
        fault = self._active.fault
        if fault is not None and fault.name == "fail_response":
            message = "The server had an error while processing your request."
            told = str(fault.params.get("message") or message)
            self._failed(str(fault.params.get("code") or "server_error"), told)
            return
        try:
            self._drive(build_turn(self._project, self._admitted))
            self._finish()
        except Stopped:
            self._active.settle("cancelled")
        except WireError as refusal:
            self._refused(refusal)
        except Exception:
            # This is where the request ends: nobody further out could still answer for it.
            _LOG.exception("response %s failed inside the emulator", self._active.id)
            self._failed("server_error", "The emulator failed to carry out this response.")

    def _refused(self, refusal: WireError) -> None:
        """End a turn that asked for what cannot be done; before any work the request itself is refused."""
        if self._output.items:
            self._charge_tokens()
        else:
            self._active.refusal = refusal
        kind = refusal.more.get("type") or refusal.code
        error = {"code": "invalid_prompt", "message": refusal.message, "type": kind}
        self._active.settle("failed", error=error)

    def _failed(self, code: str, message: str) -> None:
        self._charge_tokens()
        self._active.settle("failed", error={"code": code, "message": message})

    def _drive(self, turn: Turn) -> None:
        if self._thinks():
            self._output.add(self._output.new_item("reasoning", summary=[]))
        steps = self._project.tools.decide(turn)
        result: StepResult = None
        try:
            step = next(steps)
            while True:
                self._output.stop_if_called_off()
                if isinstance(step, _COUNTED):
                    self._calls += 1
                    if turn.max_tool_calls is not None and self._calls > turn.max_tool_calls:
                        return
                result = self._carry_out(step)
                step = steps.send(result)
        except StopIteration:
            return
        finally:
            steps.close()

    def _thinks(self) -> bool:
        effort = self._admitted.response["reasoning"]["effort"]
        return self._project.settings.dialect.is_azure and effort not in (None, "none", "minimal")

    def _carry_out(self, step: Step) -> StepResult:
        result: StepResult = None
        match step:
            case Draw():
                result = self._drawing.draw(step)
            case RunCode():
                result = self._coding.run(step.code)
            case SearchFiles():
                result = self._search(step)
            case CallFunction():
                self._call_function(step)
            case ListMcpTools():
                result = self._mcp.list_tools(step.server_label)
            case CallMcp():
                result = self._mcp.call(step)
            case UseComputer():
                self._use_computer(step)
            case Say():
                self._say(step)
        return result

    def _search(self, step: SearchFiles) -> FoundPassages:
        tool = next(tool for tool in self._admitted.tools if tool["type"] == "file_search")
        item = self._output.new_item(
            "file_search_call", status="completed", queries=list(step.queries), results=None
        )
        events = self._output.open(item)
        hits = self._project.vector_stores.search(
            tool["vector_store_ids"],
            step.queries,
            max_results=tool["max_num_results"],
            filters=tool["filters"],
            score_threshold=tool["ranking_options"]["score_threshold"],
        )
        self._project.billing.file_search(self._active.id, self._admitted.response["model"])
        item["results"] = [
            {
                "file_id": hit.file_id,
                "filename": hit.filename,
                "score": hit.score,
                "text": hit.text,
                "attributes": dict(hit.attributes),
            }
            for hit in hits
        ]
        self._output.close(events)
        return FoundPassages(hits)

    def _call_function(self, step: CallFunction) -> None:
        self._output.add(
            self._output.new_item(
                "function_call",
                status="completed",
                call_id=ids.call_id(),
                name=step.name,
                arguments=json.dumps(dict(step.arguments)),
            )
        )

    def _use_computer(self, step: UseComputer) -> None:
        checks = [dict(check) for check in step.pending_safety_checks]
        self._output.add(
            self._output.new_item(
                "computer_call",
                status="completed",
                call_id=ids.call_id(),
                action=dict(step.action),
                pending_safety_checks=checks,
            )
        )

    def _say(self, step: Say) -> None:
        text, limit = step.text, self._admitted.response["max_output_tokens"]
        annotations = [dict(annotation) for annotation in step.annotations]
        status = "completed"
        if limit is not None and wire.tokens_in(text) > limit:
            text = text[: limit * _CHARACTERS_PER_TOKEN]
            annotations = [a for a in annotations if a.get("end_index", 0) <= len(text)]
            status = self._incomplete = "incomplete"
        self._output.add(self._message(text, annotations, status))

    def _message(self, text: str, annotations: list[Json], status: str = "completed") -> Json:
        part = {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}
        return self._output.new_item("message", status=status, role="assistant", content=[part])

    def _finish(self) -> None:
        kinds = {item["type"] for item in self._output.items}
        # Recorded: an empty message follows a picture; a call of code that ends a response has none.
        if "message" not in kinds and (not kinds or "image_generation_call" in kinds):
            self._output.add(self._message("", []))
        used = self._charge_tokens()
        details: Json = {"usage": used}
        if not self._project.settings.dialect.is_azure and self._drawing.used:
            details["tool_usage"] = self._drawing.tool_usage()
        if self._incomplete:
            details["incomplete_details"] = {"reason": "max_output_tokens"}
        self._active.settle(self._incomplete or "completed", **details)

    def _charge_tokens(self) -> Json:
        response = self._admitted.response
        asked = [response["instructions"] or "", compact(response["tools"])]
        asked += [text_of(item) for item in (*self._admitted.history, *self._admitted.inputs)]
        answered = [text_of(item) for item in self._output.items]
        answered += [item.get("code") or item.get("arguments") or "" for item in self._output.items]
        answered += [item.get("revised_prompt") or "" for item in self._output.items]
        used = wire.usage(
            sum(wire.tokens_in(text) for text in asked),
            sum(wire.tokens_in(text) for text in answered),
            _REASONING_TOKENS if self._thinks() else 0,
        )
        model, tier = response["model"], response["service_tier"]
        counts = used["input_tokens"], used["output_tokens"]
        self._project.billing.tokens(self._active.id, model, *counts, tier)
        return used
