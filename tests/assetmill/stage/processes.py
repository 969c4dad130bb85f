"""Processes that start, wait and die on one store and one service, without a second passing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from assetmill.agents.gateway import ResponseRequest
from assetmill.errors import RunStopped
from assetmill.money.budget import Ceiling
from assetmill.records import RunId
from assetmill.settings import Foundry, Settings
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway

RUN = RunId("run-1")


ON_THE_LINE = {name: True for name in ("A1", "A2", "A3", "A4", "A6")}
"""What a probe has seen to hold where what is not in the background may be fenced."""


class Crash(BaseException):
    """The process dies here."""


class Start(Protocol):
    """Starts a new process; `changes` are settings of the profile."""

    def __call__(self, *ceilings: Ceiling, **changes: object) -> Services: ...


class Now:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def get(self) -> float:
        return self.seconds


def starting(gateway: ScriptedGateway, backend: MemoryStore, folder: Path, way: str = "auto") -> Start:
    """Return what starts a new process on the same store and the same service."""
    now = Now()

    def start(*ceilings: Ceiling, **changes: object) -> Services:
        foundry = Foundry.model_validate({"settle_s": 0.01, "lease_s": 0.05, "way": way, **changes})
        settings = Settings(profile="test", home=folder, configs=folder, foundry=foundry)
        services = Services(settings, backend, lambda _settings, _wait: gateway, ceilings, clock=now.get)
        services.wait = lambda seconds: _pass(services, now, seconds)
        return services

    return start


def _pass(services: Services, now: Now, seconds: float) -> None:
    if services.stop.is_set():
        raise RunStopped("stopped")
    now.seconds += seconds
    time.sleep(0)


def failing(*errors: BaseException) -> Callable[[ResponseRequest], None]:
    """Raise each error once, then let everything pass."""
    left = list(errors)

    def fail(_: ResponseRequest) -> None:
        if left:
            raise left.pop(0)

    return fail
