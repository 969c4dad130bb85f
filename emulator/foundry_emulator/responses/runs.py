"""Keeps what is running: starts responses, lets them be followed and cancelled, and buries the dead."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
from typing import TYPE_CHECKING

from foundry_emulator.at_rest import forget_response
from foundry_emulator.boundary.errors import invalid, not_found
from foundry_emulator.boundary.faults import Fault
from foundry_emulator.jsons import Json
from foundry_emulator.responses.admission import Admitted
from foundry_emulator.responses.carrier import Carrier
from foundry_emulator.responses.events import TERMINAL_EVENTS, frame
from foundry_emulator.responses.streams import Stream
from foundry_emulator.responses.wire import RUNNING

if TYPE_CHECKING:
    from foundry_emulator.project import Service

_LOG = logging.getLogger(__name__)
_RETENTION_S = 30 * 86_400


class Run:
    """One response on its way; its wire object changes until the status is final."""

    def __init__(self, service: Service, admitted: Admitted, fault: Fault | None) -> None:
        self.admitted = admitted
        self.response = admitted.response
        self.id: str = admitted.response["id"]
        self.is_background: bool = admitted.response["background"]
        self.fault = fault
        self.cancelled = threading.Event()
        self._called_off = asyncio.Event()
        self._is_forgotten = False
        self.error_status: int | None = None
        """Status with which a foreground caller is answered instead of a failed response."""
        self._service = service
        # A cancel on the loop and the end of the work on a tool thread must not both set a final status.
        self._lock = threading.Lock()
        self._is_final = False
        keep = None
        if self.is_background and admitted.stream:
            keep = functools.partial(service.state.add_event, self.id)
        self.stream = Stream(asyncio.get_running_loop(), keep) if admitted.stream else None

    def emit(self, event: Json) -> None:
        """Add an event to the stream, if anybody asked for one."""
        if self.stream is not None and not self._is_final:
            self.stream.push(event)

    def call_off(self, *, forget: bool = False) -> None:
        """Tell the run to end at its next step, and perhaps to leave no trace; only on the loop."""
        self._is_forgotten = self._is_forgotten or forget
        self.cancelled.set()
        self._called_off.set()

    async def pause(self, seconds: float | None) -> None:
        """Wait that long, or until the run is called off."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._called_off.wait(), seconds)

    def save(self) -> None:
        """Write the response as it is now."""
        if self.admitted.store and not self._is_forgotten:
            self._service.state.put("response", self.id, self.response)

    def begin(self) -> None:
        """Move from queued to in progress."""
        with self._lock:
            if self._is_final:
                return
            self.response["status"] = "in_progress"
            self.save()
        self.emit({"type": "response.in_progress", "response": self.response})

    def show_progress(self) -> None:
        """Let callers who retrieve a background response see the items that it has finished."""
        with self._lock:
            if self.is_background and not self._is_final:
                self.save()

    def settle(self, status: str, **fields: object) -> bool:
        """Set the final status once; says whether this call was the one. Items join the conversation."""
        with self._lock:
            if self._is_final:
                return False
            now = self._service.clock.stamp()
            done = {"completed_at": now} if status == "completed" else {}
            self.response.update(status=status, **done, **fields)
            with self._service.state.transaction():
                if status in ("completed", "incomplete"):
                    self._remember_items()
                    self._keep_output()
                self.save()
            name = TERMINAL_EVENTS.get(status)
            if name:
                self.emit({"type": name, "response": self.response})
            self._is_final = True
        if self.stream is not None:
            self.stream.close()
        return True

    def _keep_output(self) -> None:
        if self.admitted.store and not self._is_forgotten:
            for item in self.response["output"]:
                self._service.state.put("output_item", item["id"], item, parent=self.id)

    def _remember_items(self) -> None:
        conversation_id = self.admitted.conversation_id
        state = self._service.state
        if conversation_id is None or state.get("conversation", conversation_id) is None:
            return
        for item in [*self.admitted.inputs, *self.response["output"]]:
            state.put("item", item["id"], item, parent=conversation_id)


class Runs:
    """All responses of the service, running and stored."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._running: dict[str, Run] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def count(self) -> int:
        """Return how many responses are running."""
        return len(self._running)

    def bury_the_dead(self) -> None:
        """Fail the responses that a server before this one left running, and index what it left half done."""
        state = self._service.state
        for doc in state.all("response"):
            if doc.body["status"] not in RUNNING:
                continue
            if not doc.body["background"]:
                forget_response(state, doc.id)
                continue
            message = "The service was restarted while it worked on this response."
            body = {**doc.body, "status": "failed", "error": {"code": "server_error", "message": message}}
            state.put("response", doc.id, body)
            frames = state.events(doc.id)
            if frames:
                event = {"type": "response.failed", "response": body, "sequence_number": len(frames)}
                state.add_event(doc.id, len(frames), frame(event))
        self._service.vector_stores.resume()

    def start(self, admitted: Admitted, fault: Fault | None) -> Run:
        """Accept a response: it is stored before this returns, and runs on its own from here."""
        run = Run(self._service, admitted, fault)
        state = self._service.state
        with state.transaction():
            if admitted.store:
                history = list(admitted.history) if admitted.conversation_id else []
                body = {"items": list(admitted.inputs)}
                state.put("input_items", run.id, body, extra={"history": history})
            run.save()
        run.emit({"type": "response.created", "response": run.response})
        if run.is_background:
            run.emit({"type": "response.queued", "response": run.response})
        self._running[run.id] = run
        self._tasks[run.id] = asyncio.get_running_loop().create_task(self._drive(run))
        return run

    async def _drive(self, run: Run) -> None:
        try:
            if run.fault is not None and run.fault.name == "stuck":
                await run.pause(None)
                return
            run.begin()
            latency_s = self._service.settings.latency_s
            if latency_s:
                await run.pause(latency_s)
            work = Carrier(self._service, run).work
            await asyncio.get_running_loop().run_in_executor(self._service.pool, work)
        finally:
            self._running.pop(run.id, None)
            self._tasks.pop(run.id, None)

    async def finished(self, run: Run) -> None:
        """Wait until a run has its final status."""
        task = self._tasks.get(run.id)
        if task is not None:
            await asyncio.shield(task)

    def abandon(self, run: Run) -> None:
        """Stop a foreground response whose caller has left; it cannot be retrieved afterwards."""
        run.call_off(forget=True)
        run.settle("cancelled")
        forget_response(self._service.state, run.id)

    def stop(self, *, forget: bool = False) -> None:
        """Tell everything that runs to end at its next step."""
        for run in list(self._running.values()):
            run.call_off(forget=forget)

    def running(self, response_id: str) -> Run | None:
        """Return a response that is still running in this server."""
        return self._running.get(response_id)

    def body(self, response_id: str) -> Json | None:
        """Return a stored response that is still retained."""
        doc = self._service.state.get("response", response_id)
        if doc is None:
            return None
        if doc.body["created_at"] + _RETENTION_S <= self._service.clock.now():
            forget_response(self._service.state, response_id)
            return None
        return doc.body

    def need(self, response_id: str) -> Json:
        """Return a stored response.

        Raises:
            ServiceError: 404 when it is unknown, not stored, or no longer retained.
        """
        body = self.body(response_id)
        if body is None:
            raise not_found("Response", response_id)
        return body

    def cancel(self, response_id: str) -> Json:
        """Cancel a background response and return it; a second call returns what became of it.

        Raises:
            ServiceError: 404 when it is unknown, 400 when it is no background response.
        """
        body = self.need(response_id)
        if not body["background"]:
            raise invalid("Only background responses can be cancelled.", "response_id", "invalid_request")
        run = self._running.get(response_id)
        if run is not None:
            run.call_off()
            run.settle("cancelled")
        return self.need(response_id)

    def delete(self, response_id: str) -> None:
        """Forget a response; one that is running is stopped."""
        self.need(response_id)
        run = self._running.get(response_id)
        if run is not None:
            run.call_off()
            run.settle("cancelled")
        forget_response(self._service.state, response_id)

    def find_item(self, item_id: str) -> Json | None:
        """Return an item of any conversation or stored response."""
        return self._service.state.find_item(item_id)
