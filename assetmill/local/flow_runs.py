"""How a command runs a flow in its own process: what it needs is started beside it, and signals stop it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib
import logging
import os
import threading
from collections.abc import Coroutine, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from assetmill.errors import InvalidSettings, PrefectAway, RunFailed, RunStopped
from assetmill.local.answering import answers
from assetmill.local.services import LocalServices, Say, local_services
from assetmill.records import RunId, RunManifest
from assetmill.stage.interrupts import Interrupts
from assetmill.stage.services import Services

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_UNREACHABLE = "Failed to reach API at "
_OF_PREFECTS_CLIENT = frozenset({"prefect", "httpx", "httpcore", "websockets"})
"""Whose errors may come from an API that went away."""


@contextmanager
def ready_for(
    flow: str,
    services: Services,
    interrupts: Interrupts,
    say: Say,
    *,
    has_work: bool | None,
    notice: Say | None = None,
) -> Generator[None]:
    """Start what the flow of this module needs, and hand it the services; inside, the flow can be run.

    `has_work` says whether it will ask the service for anything; None when only the flow finds out. `notice`
    shows what is told while the flow runs, where that is another place than `say` has.
    """
    services.outages.listen(lambda outage: (notice or say)(str(outage)))
    with local_services(
        services.settings, emulator=has_work is not False, say=say, is_stopped=services.stop.is_set
    ) as local:
        _prepare(flow, services, local, opens_gateway=bool(has_work))
        _silence_prefect()
        interrupts.is_handled = True
        from tasks.assets import telling
        from tasks.connections import provided

        with provided(services, services.settings.profile), telling(is_seen=not local.has_unseen_prefect):
            yield
        if local.has_started_prefect:
            tell_prefect_later(services)


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


def tell_prefect_later(services: Services) -> None:
    """Tell Prefect of earlier runs that did without it, unless it is gone: then after the next one."""
    from httpx import HTTPError

    from assetmill.local.untold import tell_untold

    try:
        tell_untold(services)
    except (HTTPError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not str(error).startswith(_UNREACHABLE):
            raise
        # What was asked for is done and stored.
        _LOG.warning("Prefect was not told of earlier runs that changed nothing: %s", error)


def _silence_prefect() -> None:
    """Keep Prefect off the terminal; its own API still gets its log where there is one."""
    for name in (None, "prefect", "prefect.flow_runs", "prefect.task_runs", "prefect.events"):
        for handler in logging.getLogger(name).handlers:
            if type(handler).__name__ == "PrefectConsoleHandler":
                handler.setLevel(logging.CRITICAL)


def carry_out(flow: Coroutine[Any, Any, T]) -> T:
    """Run a flow in a thread of its own, where Prefect cannot take the signals, and return its result.

    Raises:
        PrefectAway: its API cannot be reached, or went away in the middle.
    """
    future: Future[T] = Future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            future.set_result(context.run(asyncio.run, flow))
        except BaseException as error:  # handed to whoever waits, whatever it is
            future.set_exception(error)

    thread = threading.Thread(target=work, name="flow", daemon=True)
    thread.start()
    try:
        return future.result()
    except RuntimeError as error:
        # Prefect's client has no error of its own for it.
        if not str(error).startswith(_UNREACHABLE):
            raise
        raise PrefectAway(f"Prefect: {error}; nothing was begun: run it again when it answers") from error
    except Exception as error:
        # Any, by the package it is of: Prefect's client and what it uses have no class in common.
        if type(error).__module__.partition(".")[0] in _OF_PREFECTS_CLIENT:
            _check_api(error)
        raise
    finally:
        thread.join()


def _check_api(error: Exception) -> None:
    """Say that Prefect's API is gone or cannot work, where an error of its client may come from that.

    Raises:
        PrefectAway: it does not answer, or not well.
    """
    url = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    # `/health` is well also where the database cannot be used.
    if url and not answers(f"{url}/ready", None):
        raise PrefectAway(
            f"Prefect at {url} went away in the middle of this ({error}); what was made is stored: run it "
            "again to go on"
        ) from error


def manifest_of(flow: Coroutine[Any, Any, object], services: Services) -> RunManifest:
    """Run a flow that seals a run, and return the run's manifest, failed or not.

    Raises:
        RunStopped: interrupted before anything was begun.
    """
    try:
        # A flow that returns a state with facts is read by Prefect as the facts.
        run_id = cast("dict[str, str]", carry_out(flow))["run_id"]
    except (RunFailed, RunStopped) as ended:
        if ended.run_id is None:
            raise
        run_id = ended.run_id
    manifest = services.ledger.read_manifest(RunId(run_id))
    if manifest is None:
        raise InvalidSettings(f"run {run_id} was sealed in another store than {services.backend.name}")
    return manifest
