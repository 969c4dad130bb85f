"""How a command runs a flow in its own process: what it needs is started beside it, and Ctrl-C stops it."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from assetmill.errors import InvalidSettings, RunFailed, RunStopped
from assetmill.local.services import LocalServices, Say, local_services
from assetmill.records import RunId, RunManifest
from assetmill.stage.services import Services

STOP_WITHIN_S = 4.0
_INTERRUPTED = 130


class Interrupts:
    """What Ctrl-C does: before the flow it interrupts, in the flow it asks the stages to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop, self.is_handled = stop, False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Ask the stages to stop; a second time, leave at once."""
        if self.stop.is_set():
            _leave()
        self.stop.set()
        # A stage may be inside a request that nothing can interrupt. Its intent is stored: it is safe to go.
        timer = threading.Timer(STOP_WITHIN_S, _leave)
        timer.daemon = True
        timer.start()
        if not self.is_handled:
            raise KeyboardInterrupt


def _leave() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h\n")
        sys.stderr.flush()
    os._exit(_INTERRUPTED)


@contextmanager
def interruptible(stop: threading.Event) -> Generator[Interrupts]:
    """Let Ctrl-C set `stop`; in another than the main thread nothing changes."""
    interrupts = Interrupts(stop)
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def ready_for(
    flow: str, services: Services, interrupts: Interrupts, say: Say, *, has_work: bool | None
) -> Generator[None]:
    """Start what the flow of this module needs, and hand it the services; inside, the flow can be run.

    `has_work` says whether it will ask the service for anything; None when only the flow finds out.
    """
    with local_services(
        services.settings, emulator=has_work is not False, say=say, is_stopped=services.stop.is_set
    ) as local:
        _prepare(flow, services, local, opens_gateway=bool(has_work))
        _silence_prefect()
        interrupts.is_handled = True
        from tasks.connections import provided

        with provided(services, services.settings.profile):
            yield


def _prepare(flow: str, services: Services, local: LocalServices, *, opens_gateway: bool) -> None:
    """Import what takes seconds to import while the services start."""
    # Importing makes objects that stay: looking for garbage among them is an eighth of the time.
    gc.disable()
    try:
        importlib.import_module(flow)
        local.wait_for_emulator()
        if opens_gateway:
            _ = services.gateway
    finally:
        gc.enable()
    local.wait_for_prefect()


def _silence_prefect() -> None:
    """Keep Prefect off the terminal; its own API still gets its log where there is one."""
    for name in (None, "prefect", "prefect.flow_runs", "prefect.task_runs", "prefect.events"):
        for handler in logging.getLogger(name).handlers:
            if type(handler).__name__ == "PrefectConsoleHandler":
                handler.setLevel(logging.CRITICAL)


def manifest_of(flow: Coroutine[Any, Any, dict[str, str]], services: Services) -> RunManifest:
    """Run a flow that seals a run, and return the run's manifest, failed or not.

    Raises:
        RunStopped: interrupted before anything was begun.
    """
    try:
        run_id = asyncio.run(flow)["run_id"]
    except (RunFailed, RunStopped) as ended:
        if ended.run_id is None:
            raise
        run_id = ended.run_id
    manifest = services.ledger.read_manifest(RunId(run_id))
    if manifest is None:
        raise InvalidSettings(f"run {run_id} was sealed in another store than {services.backend.name}")
    return manifest
