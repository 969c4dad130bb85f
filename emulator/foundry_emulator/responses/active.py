"""A response that is at work: its wire object, its stream, and the one final status it can get."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading

from foundry_emulator.boundary.errors import WireError
from foundry_emulator.boundary.faults import Fault
from foundry_emulator.jsons import Json
from foundry_emulator.project import Project
from foundry_emulator.responses import shapes
from foundry_emulator.responses.admission import Admitted
from foundry_emulator.responses.events import TERMINAL_EVENTS, error_event
from foundry_emulator.responses.streams import Stream


class ActiveResponse:
    """One response on its way; its wire object changes until the status is final."""

    def __init__(self, project: Project, admitted: Admitted, fault: Fault | None) -> None:
        self.admitted = admitted
        self.response = admitted.response
        self.id: str = admitted.response["id"]
        self.is_background: bool = admitted.response["background"]
        self.fault = fault
        self.cancelled = threading.Event()
        self._called_off = asyncio.Event()
        self._is_forgotten = False
        self.refusal: WireError | None = None
        """With what a foreground caller is answered instead of a failed response."""
        self._project = project
        # A cancel on the loop and the end of the work on a tool thread must not both set a final status.
        self._lock = threading.Lock()
        self._is_final = False
        keep = None
        if self.is_background and admitted.stream:
            keep = functools.partial(project.state.add_event, self.id)
        self.stream = Stream(asyncio.get_running_loop(), keep) if admitted.stream else None

    def emit(self, event: Json) -> None:
        """Add an event to the stream, if anybody asked for one."""
        if self.stream is not None and not self._is_final:
            dialect = self._project.settings.dialect
            self.stream.push(shapes.event(dialect, event, is_background=self.is_background))

    def call_off(self, *, forget: bool = False) -> None:
        """Tell it to end at its next step, and perhaps to leave no trace; only on the loop."""
        self._is_forgotten = self._is_forgotten or forget
        self.cancelled.set()
        self._called_off.set()

    def forget(self) -> bool:
        """Leave no trace, unless it has its final status; only on the loop."""
        with self._lock:
            if self._is_final:
                return False
            self._is_forgotten = True
        self.call_off()
        return True

    async def pause(self, seconds: float | None) -> None:
        """Wait that long, or until it is called off."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._called_off.wait(), seconds)

    def save(self) -> None:
        """Write the response as it is now."""
        if self.admitted.store and not self._is_forgotten:
            self._project.state.put("response", self.id, self.response)

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
            now = self._project.clock.stamp()
            done = {"completed_at": now} if status == "completed" else {}
            self.response.update(status=status, **done, **fields)
            with self._project.state.transaction():
                if status in ("completed", "incomplete"):
                    self._remember_items()
                    self._keep_output()
                self.save()
            name = TERMINAL_EVENTS.get(status)
            if status == "failed" and self._project.settings.dialect.is_azure:
                # Recorded: the error comes as an event of its own before the response that shows it.
                self.emit(error_event(self.response["error"]))
            if name:
                self.emit({"type": name, "response": self.response})
            self._is_final = True
        if self.stream is not None:
            self.stream.close()
        return True

    def _keep_output(self) -> None:
        if self.admitted.store and not self._is_forgotten:
            for item in self.response["output"]:
                self._project.state.put("output_item", item["id"], item, parent=self.id)

    def _remember_items(self) -> None:
        conversation_id = self.admitted.conversation_id
        state = self._project.state
        if conversation_id is None or state.get("conversation", conversation_id) is None:
            return
        for item in [*self.admitted.inputs, *self.response["output"]]:
            state.put("item", item["id"], item, parent=conversation_id)
