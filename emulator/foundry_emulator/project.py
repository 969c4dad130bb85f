"""What a project has and works with: memory, clock, settings, bill, files, stores, containers, tools.

What is asked of it stands above: `responses/` carries out turns, `routes/` parse. Nothing here knows either.
"""

from __future__ import annotations

import datetime
import logging
import os
import random
import threading
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from foundry_emulator import data
from foundry_emulator.billing import Billing
from foundry_emulator.boundary.faults import Faults
from foundry_emulator.boundary.quota import QuotaMeter
from foundry_emulator.clock import Clock
from foundry_emulator.files import Files
from foundry_emulator.interpreter.containers import Containers
from foundry_emulator.jsons import Json
from foundry_emulator.settings import Switches, load_settings, save_settings
from foundry_emulator.state import State
from foundry_emulator.toolbox import Toolbox
from foundry_emulator.vector_stores import VectorStores

_TOOL_THREADS = 16
_LOGGED_REQUESTS = 10_000
_NOTES = 10_000
_LOG = logging.getLogger(__name__)


class Project:
    """An emulated project over one state directory; `close` it when the server ends."""

    def __init__(self, state_dir: Path, toolbox: Toolbox, *, mcp_hosts: frozenset[str] = frozenset()) -> None:
        self.state = State(state_dir)
        self.clock = Clock(self.state)
        self.settings = load_settings(self.state)
        self.tools = toolbox
        self.mcp_hosts = mcp_hosts
        self.billing = Billing(self.state, self.clock)
        self.faults = Faults()
        self.quota = QuotaMeter(self.clock)
        self.chance = random.Random(0)  # noqa: S311 - repeatable, not a secret
        self.files = Files(self.state, self.clock)
        self.containers = Containers(self.state, self.clock)
        self.pool = ThreadPoolExecutor(_TOOL_THREADS, thread_name_prefix="tool")
        # More painters or programs at once than cores finish no sooner, starve the polls and hit time limits.
        self.cores = threading.BoundedSemaphore(max(os.cpu_count() or 1, 2))
        self.vector_stores = VectorStores(
            self.state,
            self.clock,
            self.files,
            toolbox,
            self.pool,
            processing_s=lambda: self.settings.file_processing_s,
        )
        self.counts: Counter[str] = Counter()
        self.requests: deque[Json] = deque(maxlen=_LOGGED_REQUESTS)
        self.notes: deque[Json] = deque(maxlen=_NOTES)

    def close(self) -> None:
        """Wait for the tools in hand, then close the state."""
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.state.close()

    def set_settings(self, settings: Switches) -> None:
        """Replace the settings, now and for later starts."""
        self.settings = settings
        save_settings(self.state, settings)

    def reset(self) -> None:
        """Forget everything except secrets: documents, files, bill, faults, settings, counts."""
        self.state.reset()
        self.clock.reset()
        self.settings = Switches()
        self.faults.clear()
        self.quota = QuotaMeter(self.clock)
        self.chance.seed(0)
        self.counts.clear()
        self.requests.clear()
        self.notes.clear()

    def note_unknown(self, names: Sequence[str], response_id: str | None) -> None:
        """Tell, beside the wire, what a picture was to show and nobody here can draw."""
        for name in names:
            _LOG.warning("the emulator does not know %r (response %s)", name, response_id)
            self.notes.append({"kind": "unknown_subject", "name": name, "response_id": response_id})

    def deployments(self) -> list[Json]:
        """Return the model deployments that this project has."""
        days = self.settings.retired if self.settings.tells_retirement else dict[str, str]()
        return [
            {**one, "deprecation": {"inference": f"{days[one['modelName']]}T00:00:00Z"}}
            if one["modelName"] in days
            else one
            for one in data.deployments()
        ]

    def is_retired(self, model: str) -> bool:
        """Whether a model is served no more, by this project's clock."""
        day = self.settings.retired.get(model)
        now = datetime.datetime.fromtimestamp(self.clock.now(), datetime.UTC).date()
        return day is not None and datetime.date.fromisoformat(day) <= now

    def deployment(self, name: str) -> Json | None:
        """Return one model deployment by its name."""
        return next((one for one in self.deployments() if one["name"] == name), None)
