"""Where the tools of a turn write: the items of one response, each announced, closed and streamed."""

from __future__ import annotations

from typing import Any

from foundry_emulator import ids
from foundry_emulator.jsons import Json
from foundry_emulator.project import Project
from foundry_emulator.responses.active import ActiveResponse
from foundry_emulator.responses.events import ItemEvents


class Stopped(Exception):
    """The response was cancelled, or its caller left."""


class Output:
    """The output of one response; its tools write here and know nothing of who drives them."""

    def __init__(self, project: Project, active: ActiveResponse) -> None:
        self.project = project
        self.active = active
        self.admitted = active.admitted
        self.items: list[Json] = active.response["output"]

    @property
    def fault(self) -> str:
        """Return the name of the fault that this response was planned to meet, or nothing."""
        return self.active.fault.name if self.active.fault else ""

    def new_item(self, kind: str, **fields: Any) -> Json:
        """Return an item of this response in its wire form."""
        return {
            "id": ids.output_id(kind, self.admitted.partition),
            "type": kind,
            **fields,
            **self.admitted.item_extras,
        }

    def open(self, item: Json) -> ItemEvents:
        """Announce an item whose work begins now."""
        events = ItemEvents(item, len(self.items))
        if self.active.stream is not None:
            for event in events.opening():
                self.active.emit(event)
        return events

    def close(self, events: ItemEvents) -> None:
        """Put an item whose work is done into the output."""
        self.stop_if_called_off()
        self.items.append(events.item)
        self.active.show_progress()
        if self.active.stream is not None:
            for event in events.closing():
                self.active.emit(event)

    def stop_if_called_off(self) -> None:
        """End the work here when nobody waits for it any more.

        Raises:
            Stopped: the response was cancelled, or its caller left.
        """
        if self.active.cancelled.is_set():
            raise Stopped

    def add(self, item: Json) -> None:
        """Put an item that needed no work into the output."""
        self.close(self.open(item))
