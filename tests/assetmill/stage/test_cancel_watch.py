"""A watch on marks: it looks before anything begins, goes on in an outage, and stops the stages once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from assetmill.errors import RunStopped, StoreAway
from assetmill.stage.cancelling import watching
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import starting
from tests.doubles import ScriptedGateway, always


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return starting(ScriptedGateway(always()), MemoryStore(), tmp_path)()


def test_what_is_called_off_already_is_stopped_before_it_begins(services: Services) -> None:
    heard: list[str] = []
    with watching(services, [lambda: "", lambda: "cancelled by somebody"], heard.append):
        assert services.stop.is_set()
    assert heard == ["cancelled by somebody"]
    assert services.gate.refusal(0.0) == "cancelled by somebody"


def test_a_store_that_is_away_does_not_end_the_watch(services: Services) -> None:
    answers: list[str | Exception] = ["", StoreAway("away"), StoreAway("away"), "cancelled in Prefect: card"]

    def look() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with watching(services, [look], period_s=0.001):
        assert services.stop.wait(10)
    assert services.cancelled == "cancelled in Prefect: card"


def test_a_watch_ends_quietly_with_what_it_watches(services: Services) -> None:
    looks = iter(["", RunStopped("stopped while something was away")])
    ended = threading.Event()

    def look() -> str:
        answer = next(looks)
        if isinstance(answer, Exception):
            ended.set()
            raise answer
        return answer

    # What a thread raises and nobody catches fails this test.
    with watching(services, [look], period_s=0.001):
        assert ended.wait(10)
    assert services.cancelled == ""


def test_who_waits_hears_why(services: Services) -> None:
    real = Services(services.settings, MemoryStore(), services.open_gateway)
    looks = iter(["", "", "cancelled by somebody"])
    with (
        watching(real, [lambda: next(looks)], period_s=0.001),
        pytest.raises(RunStopped, match="by somebody"),
    ):
        real.wait(600)


def test_what_is_said_waits_for_nobody_who_opens_something(services: Services) -> None:
    def opens(*_: object) -> ScriptedGateway:
        said = [threading.Thread(target=real.notice, args=("away",)), threading.Thread(target=cancel)]
        for thread in said:
            thread.start()
        for thread in said:
            thread.join(10)
        return ScriptedGateway(always())

    def cancel() -> None:
        real.cancel("cancelled by somebody")

    real = Services(services.settings, MemoryStore(), opens)
    _ = real.gateway
    assert (real.notices, real.cancelled) == (["away"], "cancelled by somebody")
