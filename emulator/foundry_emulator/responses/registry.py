"""Keeps what is running: starts responses, lets them be followed and cancelled, and resumes."""

from __future__ import annotations

import asyncio

from foundry_emulator.at_rest import forget_response
from foundry_emulator.boundary.errors import WireError, invalid, not_found
from foundry_emulator.boundary.faults import Fault
from foundry_emulator.jsons import Json
from foundry_emulator.project import Project
from foundry_emulator.responses.active import ActiveResponse
from foundry_emulator.responses.admission import Admitted
from foundry_emulator.responses.carrier import Carrier
from foundry_emulator.responses.events import frame
from foundry_emulator.responses.retention import retained
from foundry_emulator.responses.wire import RUNNING


class Responses:
    """All responses of a project, running and stored."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._running: dict[str, ActiveResponse] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def count(self) -> int:
        """Return how many responses are running."""
        return len(self._running)

    def resume(self) -> None:
        """Fail what a server before this one left running, and index the files that it left half done."""
        state = self._project.state
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
        self._project.vector_stores.resume()

    def start(self, admitted: Admitted, fault: Fault | None) -> ActiveResponse:
        """Accept a response: it is stored before this returns, and runs on its own from here."""
        active = ActiveResponse(self._project, admitted, fault)
        state = self._project.state
        with state.transaction():
            if admitted.store:
                history = list(admitted.history) if admitted.conversation_id else []
                body = {"items": list(admitted.inputs)}
                state.put("input_items", active.id, body, extra={"history": history})
            active.save()
        active.emit({"type": "response.created", "response": active.response})
        if active.is_background:
            active.emit({"type": "response.queued", "response": active.response})
        self._running[active.id] = active
        self._tasks[active.id] = asyncio.get_running_loop().create_task(self._drive(active))
        return active

    async def _drive(self, active: ActiveResponse) -> None:
        try:
            if active.fault is not None and active.fault.name == "stuck":
                await active.pause(None)
                return
            active.begin()
            latency_s = self._project.settings.latency_s
            if latency_s:
                await active.pause(latency_s)
            work = Carrier(self._project, active).work
            await asyncio.get_running_loop().run_in_executor(self._project.pool, work)
        finally:
            self._running.pop(active.id, None)
            self._tasks.pop(active.id, None)

    async def finished(self, active: ActiveResponse) -> None:
        """Wait until a response has its final status."""
        task = self._tasks.get(active.id)
        if task is not None:
            await asyncio.shield(task)

    def abandon(self, active: ActiveResponse) -> None:
        """Stop a foreground response whose caller has left; it cannot be retrieved afterwards.

        One that has ended stays: its caller has read to the end, and the server is only slower to notice.
        """
        if active.forget():
            active.settle("cancelled")
            forget_response(self._project.state, active.id)

    def stop(self, *, forget: bool = False) -> None:
        """Tell everything that runs to end at its next step."""
        for active in list(self._running.values()):
            active.call_off(forget=forget)

    def running(self, response_id: str) -> ActiveResponse | None:
        """Return a response that is still running in this server."""
        return self._running.get(response_id)

    def need(self, response_id: str) -> Json:
        """Return a stored response.

        Raises:
            WireError: 404 when it is unknown, not stored, or no longer retained.
        """
        body = retained(self._project, response_id)
        if body is None and self._project.settings.dialect.is_first:
            raise WireError(400, "bad_request", f"{response_id} not found", layer="foundry")
        if body is None:
            raise not_found("Response", response_id)
        return body

    def cancel(self, response_id: str) -> Json:
        """Cancel a background response and return it; a second call returns what became of it.

        Raises:
            WireError: 404 when it is unknown, 400 when it is no background response.
        """
        body = self.need(response_id)
        if not body["background"]:
            raise invalid("Only background responses can be cancelled.", "response_id", "invalid_request")
        active = self._running.get(response_id)
        if active is not None:
            active.call_off()
            active.settle("cancelled")
        return self.need(response_id)

    def delete(self, response_id: str) -> None:
        """Forget a response; one that is running is stopped."""
        self.need(response_id)
        active = self._running.get(response_id)
        if active is not None:
            active.call_off()
            active.settle("cancelled")
        forget_response(self._project.state, response_id)
