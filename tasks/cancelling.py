"""What calls a run or a batch off: a person in Prefect, an automation, or a mark in the store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol
from uuid import UUID

import httpx
from prefect import State
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelled, Crashed

from assetmill.batches.cancelling import halting
from assetmill.batches.work import RowWorker
from assetmill.errors import RunStopped
from assetmill.records import RunId
from assetmill.stage.cancelling import Look, marked, watching
from assetmill.stage.services import Services
from tasks.events import tell_drained
from tasks.flow_runs import current_flow_run
from tasks.shards import DRAINED

_CALLED_OFF = frozenset({StateType.CANCELLING, StateType.CANCELLED})


class NamedRun(Protocol):
    """What can be called off by its own ID: a run of a pipeline, or an edit."""

    @property
    def run_id(self) -> RunId:
        """Under which it is stored."""
        ...

    @property
    def flow_run_id(self) -> str:
        """Under which Prefect knows it."""
        ...

    @property
    def services(self) -> Services:
        """What its stages share."""
        ...


@contextmanager
def run_watched(run: NamedRun) -> Generator[None]:
    """Stop a run when somebody calls it off."""
    services = run.services
    with _client() as client:
        looks = [in_prefect(client, services, [run.flow_run_id]), marked(services, run.run_id)]
        with watching(services, looks):
            yield


@contextmanager
def batch_watched(work: RowWorker) -> Generator[None]:
    """Stop a batch, or one shard of it, when somebody calls off any part of it; all others hear of it."""
    if not work.batch.to_do:
        yield
        return
    services = work.batch.services
    with _client() as client:
        looks = [in_prefect(client, services, [work.flow_run_id]), halting(work)]
        with watching(services, looks, work.call_off):
            yield


def in_prefect(client: SyncPrefectClient, services: Services, flow_run_ids: Sequence[str]) -> Look:
    """Return the look at flow runs: cancelled on the page, by the API or by an automation."""
    outage = services.outages.of("prefect", f"Prefect at {client.api_url}")

    def look() -> str:
        try:
            found = [client.read_flow_run(UUID(flow_run_id)) for flow_run_id in flow_run_ids]
        except ObjectNotFound:
            return ""
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            outage.begin(f"{type(error).__name__}: {error}".partition("\n")[0])
            return ""
        outage.over()
        off = [run.name for run in found if run.state and run.state.type in _CALLED_OFF]
        return f"cancelled in Prefect: {off[0]}" if off else ""

    return look


def ended_early(
    services: Services, error: RunStopped, what: Literal["run", "batch"], name: str
) -> State[Any]:
    """Return how a flow run ends that was called off, or whose process was told to end, and tell of it.

    The state brings the error with it: whoever awaits the flow in this process gets that.
    """
    if services.cancelled:
        return Cancelled(message=f"{services.cancelled}; {error}", data=error)
    tell_drained(what, name, current_flow_run()[0], str(error))
    return Crashed(message=f"{DRAINED}{error}", data=error)


def checked(
    services: Services, check: Callable[[], object], what: Literal["run", "batch"], name: str
) -> State[Any] | None:
    """Return the state of a flow run that was stopped, None when it was not; other failures are raised."""
    try:
        check()
    except RunStopped as error:
        return ended_early(services, error, what, name)
    return None


def _client() -> SyncPrefectClient:
    return get_client(sync_client=True)
