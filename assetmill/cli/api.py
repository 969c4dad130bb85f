"""Run a pipeline from a script, with whatever it needs started beside it: what `assetmill run` does.

from assetmill.cli.api import run

manifest = run("product-launch", {"product": "Aurora desk lamp"})
for asset in manifest.assets():
    print(asset.name, asset.asset_id)
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from assetmill.cli.local_services import LocalServices, local_services
from assetmill.errors import InvalidSettings, RunFailed, RunStopped
from assetmill.plan import Plan
from assetmill.planning import plan_pipeline
from assetmill.records import RunId, RunManifest
from assetmill.runs import check_outcome
from assetmill.services import Services, open_services
from assetmill.settings import load_settings

STOP_WITHIN_S = 4.0
_INTERRUPTED = 130

Say = Callable[[str], None]
OnPlan = Callable[[Plan], None]


def run(
    pipeline: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    profile: str | None = None,
    budget_usd: float | None = None,
    say: Say = lambda _: None,
) -> RunManifest:
    """Run a pipeline and return its manifest; what is stored already is not made again.

    Raises:
        InvalidInput: something asked for is not valid; nothing was spent.
        RunFailed: a stage failed; the rest is stored and the next run goes on from there.
        RunStopped: the run was interrupted.
    """
    with open_services(load_settings(profile)) as services:
        return check_outcome(run_with(services, pipeline, parameters or {}, say=say, budget_usd=budget_usd))


def run_with(
    services: Services,
    pipeline: str,
    parameters: Mapping[str, Any],
    *,
    say: Say,
    on_plan: OnPlan = lambda _: None,
    budget_usd: float | None = None,
) -> RunManifest:
    """Run a pipeline with services that the caller opened, and return its manifest, failed or not.

    Raises:
        InvalidInput: something asked for is not valid; nothing was spent.
        RunStopped: interrupted before anything was begun.
    """
    settings = services.settings
    with interruptible(services.stop) as interrupts:
        plan = plan_pipeline(pipeline, parameters, settings, services.ledger)
        on_plan(plan)
        has_work = any(stage.status != "reuse" for stage in plan.stages)
        with local_services(settings, emulator=has_work, say=say, is_stopped=services.stop.is_set) as local:
            _prepare(services, local, has_work=has_work)
            interrupts.is_handled = True
            return _run_flow(services, pipeline, parameters, budget_usd)


def _prepare(services: Services, local: LocalServices, *, has_work: bool) -> None:
    """Import what takes seconds to import while the services start."""
    # Importing makes objects that stay: looking for garbage among them is an eighth of the time.
    gc.disable()
    try:
        import flows.run_pipeline  # pyright: ignore[reportUnusedImport] # noqa: F401

        local.wait_for_emulator()
        if has_work:
            _ = services.gateway
    finally:
        gc.enable()
    local.wait_for_prefect()


def _run_flow(
    services: Services, pipeline: str, parameters: Mapping[str, Any], budget_usd: float | None
) -> RunManifest:
    from flows.run_pipeline import run_pipeline
    from tasks.connections import provided

    silence_prefect()
    profile = services.settings.profile
    with provided(services, profile):
        try:
            run_id = asyncio.run(run_pipeline(pipeline, dict(parameters), profile, budget_usd))["run_id"]
        except RunFailed as failed:
            run_id = failed.run_id
        except RunStopped as stopped:
            if stopped.run_id is None:
                raise
            run_id = stopped.run_id
    manifest = services.ledger.read_manifest(RunId(run_id))
    if manifest is None:
        raise InvalidSettings(f"run {run_id} was sealed in another store than {services.backend.name}")
    return manifest


def silence_prefect() -> None:
    """Keep Prefect off the terminal; its own API still gets its log where there is one."""
    for name in (None, "prefect", "prefect.flow_runs", "prefect.task_runs", "prefect.events"):
        for handler in logging.getLogger(name).handlers:
            if type(handler).__name__ == "PrefectConsoleHandler":
                handler.setLevel(logging.CRITICAL)


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
