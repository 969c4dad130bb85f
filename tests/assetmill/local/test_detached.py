"""Processes that outlive the run that started them, and are never two on one state."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from assetmill.errors import InvalidSettings
from assetmill.local import detached
from assetmill.local.detached import Ready, Service, Starting

ROOT = Path(__file__).parents[3]


def sleeper(directory: Path, delay_s: float = 0.0) -> Service:
    arguments = (str(directory), str(delay_s))
    environment = {"PYTHONPATH": str(ROOT)}

    def is_alive(ready: Ready) -> bool:
        return "pid" in ready and detached.is_guarded(directory)

    return Service(
        "the sleeper", directory, "tests.assetmill.local.sleeper", arguments, is_alive, environment
    )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    detached.stop(sleeper(tmp_path))


def starts(home: Path) -> int:
    return len((home / "starts").read_text())


def test_what_runs_is_found_and_not_started_again(home: Path) -> None:
    first = Starting(sleeper(home)).wait()
    again = Starting(sleeper(home))
    assert (again.was_running, again.wait(), starts(home)) == (True, first, 1)


def test_runs_that_come_together_start_one(home: Path) -> None:
    gate = threading.Barrier(4)

    def begin() -> Ready:
        gate.wait()
        return Starting(sleeper(home, 0.2)).wait()

    with ThreadPoolExecutor(4) as pool:
        found = [future.result() for future in [pool.submit(begin) for _ in range(4)]]
    assert len({str(ready) for ready in found}) == 1
    assert starts(home) == 1


def test_one_that_is_still_starting_when_its_run_is_killed_is_waited_for(home: Path) -> None:
    Starting(sleeper(home, 0.5)).close()
    assert Starting(sleeper(home)).wait()
    assert starts(home) == 1


def test_one_that_was_killed_is_replaced(home: Path) -> None:
    first = Starting(sleeper(home)).wait()
    os.kill(int(first["pid"]), signal.SIGKILL)
    while detached.is_guarded(home):
        pass
    second = Starting(sleeper(home))
    assert not second.was_running
    assert second.wait() != first


def test_one_that_is_busy_is_waited_for_and_can_still_be_found(home: Path) -> None:
    first = Starting(sleeper(home)).wait()
    told = iter([False, False, False])

    def is_alive(_: Ready) -> bool:
        return next(told, True)

    again = Starting(replace(sleeper(home), is_alive=is_alive))
    assert not again.was_running
    assert (again.wait(), starts(home)) == (first, 1)


def test_one_that_cannot_work_and_ends_is_replaced(home: Path) -> None:
    first = Starting(sleeper(home)).wait()

    def is_alive(ready: Ready) -> bool:
        return ready != first

    again = Starting(replace(sleeper(home), is_alive=is_alive))
    os.kill(int(first["pid"]), signal.SIGTERM)
    assert again.wait() != first
    assert starts(home) == 2


def test_what_a_process_said_last_is_told_when_it_cannot_start(home: Path) -> None:
    with pytest.raises(InvalidSettings, match="the sleeper ended at once: no such thing"):
        Starting(sleeper(home, -1)).wait()


def test_waiting_ends_when_the_run_is_stopped(home: Path) -> None:
    stop = threading.Event()
    starting = Starting(sleeper(home, 20), stop.is_set)
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        starting.wait()
    # One that has not come so far could not be stopped at the end of this test.
    while not detached.is_guarded(home):
        time.sleep(0.01)


def test_stop_ends_it_and_says_whether_there_was_one(home: Path) -> None:
    assert not detached.stop(sleeper(home))
    Starting(sleeper(home)).wait()
    assert detached.stop(sleeper(home))
    assert detached.find(sleeper(home)) is None


@pytest.mark.parametrize("content", ["", "[]", "nonsense", '{"pid": "x"}', "null"])
def test_damaged_files_count_as_none(home: Path, content: str) -> None:
    (home / "ready.json").write_text(content)
    (home / "process.json").write_text(content)
    starting = Starting(sleeper(home))
    assert not starting.was_running
    assert starting.wait()["pid"]
