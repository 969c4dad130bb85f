"""A short storm, by seed: a store and a service that are away at any moment, and cancels in between.

However it goes, every row is done in the end, and no stage was paid for twice. The long one, with real
servers and processes that are killed, is in tests/soak.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.agents.waiting import waiting_gateway
from assetmill.errors import OutcomeUnknown, ServiceAway, StoreAway
from assetmill.outages import Outages
from assetmill.stage.services import Services
from assetmill.store.backend import Backend
from assetmill.store.memory import MemoryStore
from assetmill.store.waiting import WaitingBackend
from tests.batchworks import ONE, carry_out, colourful, plan_batch, products
from tests.doubles import ScriptedGateway
from tests.millworks import settings_in

ROWS, MOST_RUNS = 8, 12
_FREE = ("create_conversation", "list_responses", "get_response", "ensure_agent", "delete_conversation")


class Chance:
    """One source of chance for all threads."""

    def __init__(self, seed: int) -> None:
        self._random, self._lock = random.Random(seed), threading.Lock()

    def __call__(self, chance: float) -> bool:
        with self._lock:
            return self._random.random() < chance

    def below(self, limit: int) -> int:
        with self._lock:
            return self._random.randrange(limit)


class Unsteady:
    """Something whose calls fail by chance: before they are carried out, or only their answers get lost."""

    def __init__(
        self, inner: Any, chance: Chance, verbs: tuple[str, ...], error: Callable[[], Exception]
    ) -> None:
        self._inner, self._chance, self._verbs, self._error = inner, chance, verbs, error

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._verbs:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            if self._chance(0.05):
                raise self._error()
            answer = found(*arguments, **options)
            if self._chance(0.05):
                raise self._error()
            return answer

        return call


class Hasty(Outages):
    """Outages that are over after a moment."""

    def pause(self, seconds: float) -> None:
        super().pause(seconds / 200)


def process(store: MemoryStore, gateway: ScriptedGateway, chance: Chance, folder: Path) -> Services:
    """Return a new process on the same store and the same service, all of it unsteady."""
    settings = settings_in(folder, one=ONE)
    foundry = settings.foundry.model_copy(update={"settle_s": 0.01, "lease_s": 0.05})
    stop = threading.Event()
    outages = Hasty(60.0, stop)
    outages.is_unattended = True
    outages.listen(lambda _: None)
    verbs = ("put", "create", "get", "head", "list", "delete")
    backend = cast(Backend, Unsteady(store, chance, verbs, lambda: StoreAway("away")))
    service = cast(Any, Unsteady(gateway, chance, _FREE, lambda: ServiceAway("away")))
    return Services(
        settings.model_copy(update={"foundry": foundry}),
        WaitingBackend(backend, outages),
        lambda _settings, _wait: waiting_gateway(service, outages),
        stop=stop,
        outages=outages,
    )


@pytest.mark.parametrize("seed", range(5))
def test_every_row_is_done_and_paid_once(tmp_path: Path, seed: int) -> None:
    chance, store, gateway = Chance(seed), MemoryStore(), colourful()
    rows = products(tmp_path, *(f"thing {n}" for n in range(ROWS)))
    cancels, lost, run, status = 0, 0, 0, ""
    for run in range(MOST_RUNS):
        services = process(store, gateway, chance, tmp_path / str(run))
        # The first runs are called off at some post or other.
        left = [chance.below(ROWS) if run < 3 else ROWS + 1]

        def before(_: ResponseRequest, services: Services = services, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                services.cancel("cancelled by the storm")

        def after(_: ResponseRequest) -> None:
            nonlocal lost
            if chance(0.2):
                lost += 1
                raise OutcomeUnknown("the answer was cut off")

        gateway.before, gateway.after = before, after
        manifest = carry_out(plan_batch(services, rows, "one", name="storm"))
        services.close()
        assert manifest is not None
        cancels += bool(services.cancelled)
        status = manifest.status
        if status == "completed":
            break
        time.sleep(0.06)  # the leases of a run that was called off are over by then
    print(f"seed {seed}: {run + 1} runs, {cancels} cancels, {lost} lost answers, {store.requests} requests")  # noqa: T201 - shown when it fails
    assert status == "completed"
    assert len(gateway.posts) == ROWS, "a stage was posted twice, or never"
