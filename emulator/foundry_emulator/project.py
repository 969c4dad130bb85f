"""The one object that every route works on: state, clock, settings, tools, and what is running."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from foundry_emulator import data
from foundry_emulator.billing import Billing
from foundry_emulator.boundary.errors import not_found
from foundry_emulator.boundary.faults import Faults
from foundry_emulator.boundary.quota import Quota
from foundry_emulator.clock import Clock
from foundry_emulator.interpreter.containers import Containers
from foundry_emulator.jsons import Json
from foundry_emulator.responses.runs import Runs
from foundry_emulator.search.vector_stores import VectorStores
from foundry_emulator.settings import Settings, load_settings, save_settings
from foundry_emulator.state import State
from foundry_emulator.toolbox import Toolbox

_LOG = logging.getLogger(__name__)
_TOOL_THREADS = 16
_LOGGED_REQUESTS = 10_000


class Service:
    """An emulated project over one state directory; `close` it when the server ends."""

    def __init__(self, state_dir: Path, toolbox: Toolbox, *, mcp_hosts: frozenset[str] = frozenset()) -> None:
        self.state = State(state_dir)
        self.clock = Clock(self.state)
        self.settings = load_settings(self.state)
        self.tools = toolbox
        self.mcp_hosts = mcp_hosts
        self.billing = Billing(self.state, self.clock)
        self.faults = Faults()
        self.quota = Quota(self.clock)
        self.containers = Containers(self.state, self.clock)
        self.pool = ThreadPoolExecutor(_TOOL_THREADS, thread_name_prefix="tool")
        # More painters or programs at once than cores finish no sooner, starve the polls and hit time limits.
        self.cores = threading.BoundedSemaphore(max(os.cpu_count() or 1, 2))
        self.vector_stores = VectorStores(self)
        self.runs = Runs(self)
        self.counts: Counter[str] = Counter()
        self.requests: deque[Json] = deque(maxlen=_LOGGED_REQUESTS)
        self.runs.bury_the_dead()

    def close(self) -> None:
        """Wait for the tools in hand, then close the state."""
        self.runs.stop()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.state.close()

    def set_settings(self, settings: Settings) -> None:
        """Replace the settings, now and for later starts."""
        self.settings = settings
        save_settings(self.state, settings)

    def reset(self) -> None:
        """Forget everything except secrets: documents, files, bill, faults, settings, counts."""
        self.runs.stop(forget=True)
        self.state.reset()
        self.clock.reset()
        self.settings = Settings()
        self.faults.clear()
        self.quota = Quota(self.clock)
        self.counts.clear()
        self.requests.clear()

    def deployments(self) -> list[Json]:
        """Return the model deployments that this project has."""
        return data.deployments()

    def deployment(self, name: str) -> Json | None:
        """Return one model deployment by its name."""
        return next((one for one in self.deployments() if one["name"] == name), None)

    def file(self, file_id: str) -> Json:
        """Return an uploaded file that has not expired.

        Raises:
            ServiceError: 404 when it is gone.
        """
        doc = self.state.get("file", file_id)
        if doc is None:
            raise not_found("File", file_id)
        expires_at = doc.body["expires_at"]
        if expires_at is not None and expires_at <= self.clock.now():
            self.state.delete("file", file_id)
            self.state.drop_blob(file_id)
            raise not_found("File", file_id)
        return doc.body

    def file_bytes(self, file_id: str) -> bytes:
        """Return an uploaded file's content.

        Raises:
            ServiceError: 404 when it is gone.
        """
        self.file(file_id)
        content = self.state.read_blob(file_id)
        if content is None:
            raise not_found("File", file_id)
        return content
