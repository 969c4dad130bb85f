"""Carries out what the rules decide, step by step, with the real tools, and writes the output items."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from foundry_emulator import ids
from foundry_emulator.boundary.errors import ServiceError
from foundry_emulator.interpreter.work import CodeWork
from foundry_emulator.jsons import Json, compact
from foundry_emulator.mcp.work import McpWork
from foundry_emulator.painter.work import Drawing
from foundry_emulator.responses import wire
from foundry_emulator.responses.events import ItemEvents
from foundry_emulator.responses.items import text_of
from foundry_emulator.responses.steps import (
    CallFunction,
    CallMcp,
    Draw,
    Found,
    ListMcpTools,
    RunCode,
    Say,
    SearchFiles,
    Step,
    StepResult,
    Turn,
    UseComputer,
)
from foundry_emulator.responses.turns import build_turn

if TYPE_CHECKING:
    from foundry_emulator.project import Service
    from foundry_emulator.responses.runs import Run

_LOG = logging.getLogger(__name__)
_COUNTED = (Draw, RunCode, SearchFiles, CallMcp)
_CHARACTERS_PER_TOKEN = 4


class Stopped(Exception):
    """The run was cancelled or its caller left."""


class Carrier:
    """Does the work of one run, on one thread."""

    def __init__(self, service: Service, run: Run) -> None:
        self.service = service
        self.run = run
        self.admitted = run.admitted
        self.fault = run.fault
        self.output: list[Json] = run.response["output"]
        self._calls = 0
        self._incomplete: str | None = None
        self._drawing = Drawing(self)
        self._code = CodeWork(self)
        self._mcp = McpWork(self)

    def work(self) -> None:
        """Run the turn to its end; whatever goes wrong becomes the response's final status."""
        if self.fault is not None and self.fault.name == "fail_response":
            self._failed("server_error", "The server had an error while processing your request.")
            return
        try:
            self._drive(build_turn(self.service, self.admitted))
            self._finish()
        except Stopped:
            self.run.settle("cancelled")
        except ServiceError as refusal:
            self._refused(refusal)
        except Exception:
            # This is where the request ends: nobody further out could still answer for it.
            _LOG.exception("response %s failed inside the emulator", self.run.id)
            self._failed("server_error", "The emulator failed to carry out this response.")

    def _refused(self, refusal: ServiceError) -> None:
        """End a turn that asked for what cannot be done; before any work the request itself is refused."""
        if self.output:
            self._charge_tokens()
        else:
            self.run.error_status = refusal.status
        error = {"code": "invalid_prompt", "message": refusal.message, "type": refusal.code}
        self.run.settle("failed", error=error)

    def _failed(self, code: str, message: str) -> None:
        self._charge_tokens()
        self.run.settle("failed", error={"code": code, "message": message})

    def _drive(self, turn: Turn) -> None:
        steps = self.service.tools.decide(turn)
        result: StepResult = None
        try:
            step = next(steps)
            while True:
                self.stop_if_called_off()
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

    def _carry_out(self, step: Step) -> StepResult:
        result: StepResult = None
        match step:
            case Draw():
                result = self._drawing.draw(step)
            case RunCode():
                result = self._code.run(step.code)
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

    def new_item(self, kind: str, **fields: Any) -> Json:
        """Return an item of this response in its wire form."""
        return {
            "id": ids.item_id(kind, self.admitted.partition),
            "type": kind,
            **fields,
            **self.admitted.item_extras,
        }

    def open(self, item: Json) -> ItemEvents:
        """Announce an item whose work begins now."""
        events = ItemEvents(item, len(self.output))
        if self.run.stream is not None:
            for event in events.opening():
                self.run.emit(event)
        return events

    def close(self, events: ItemEvents) -> None:
        """Put an item whose work is done into the output."""
        self.stop_if_called_off()
        self.output.append(events.item)
        self.run.show_progress()
        if self.run.stream is not None:
            for event in events.closing():
                self.run.emit(event)

    def stop_if_called_off(self) -> None:
        """End the work here when nobody waits for it any more.

        Raises:
            Stopped: the run was cancelled, or its caller left.
        """
        if self.run.cancelled.is_set():
            raise Stopped

    def add(self, item: Json) -> None:
        """Put an item that needed no work into the output."""
        self.close(self.open(item))

    def _search(self, step: SearchFiles) -> Found:
        tool = next(tool for tool in self.admitted.tools if tool["type"] == "file_search")
        item = self.new_item("file_search_call", status="completed", queries=list(step.queries), results=None)
        events = self.open(item)
        hits = self.service.vector_stores.search(
            tool["vector_store_ids"],
            step.queries,
            max_results=tool["max_num_results"],
            filters=tool["filters"],
            score_threshold=tool["ranking_options"]["score_threshold"],
        )
        self.service.billing.file_search(self.run.id, self.admitted.response["model"])
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
        self.close(events)
        return Found(hits)

    def _call_function(self, step: CallFunction) -> None:
        self.add(
            self.new_item(
                "function_call",
                status="completed",
                call_id=ids.call_id(),
                name=step.name,
                arguments=json.dumps(dict(step.arguments)),
            )
        )

    def _use_computer(self, step: UseComputer) -> None:
        checks = [dict(check) for check in step.pending_safety_checks]
        self.add(
            self.new_item(
                "computer_call",
                status="completed",
                call_id=ids.call_id(),
                action=dict(step.action),
                pending_safety_checks=checks,
            )
        )

    def _say(self, step: Say) -> None:
        text, limit = step.text, self.admitted.response["max_output_tokens"]
        annotations = [dict(annotation) for annotation in step.annotations]
        status = "completed"
        if limit is not None and wire.tokens_in(text) > limit:
            text = text[: limit * _CHARACTERS_PER_TOKEN]
            annotations = [a for a in annotations if a.get("end_index", 0) <= len(text)]
            status = self._incomplete = "incomplete"
        self.add(self._message(text, annotations, status))

    def _message(self, text: str, annotations: list[Json], status: str = "completed") -> Json:
        part = {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}
        return self.new_item("message", status=status, role="assistant", content=[part])

    def _finish(self) -> None:
        kinds = {item["type"] for item in self.output}
        spoke = "message" in kinds or kinds & {"function_call", "computer_call", "mcp_approval_request"}
        if not spoke:
            self.add(self._message("", []))
        used = self._charge_tokens()
        details: Json = {"usage": used}
        if self.service.settings.flavour == "openai" and self._drawing.used:
            details["tool_usage"] = self._drawing.tool_usage()
        if self._incomplete:
            details["incomplete_details"] = {"reason": "max_output_tokens"}
        self.run.settle(self._incomplete or "completed", **details)

    def _charge_tokens(self) -> Json:
        response = self.admitted.response
        asked = [response["instructions"] or "", compact(response["tools"])]
        asked += [text_of(item) for item in (*self.admitted.history, *self.admitted.inputs)]
        answered = [text_of(item) for item in self.output]
        answered += [item.get("code") or item.get("arguments") or "" for item in self.output]
        answered += [item.get("revised_prompt") or "" for item in self.output]
        used = wire.usage(
            sum(wire.tokens_in(text) for text in asked), sum(wire.tokens_in(text) for text in answered)
        )
        self.service.billing.tokens(
            self.run.id, response["model"], used["input_tokens"], used["output_tokens"]
        )
        return used
