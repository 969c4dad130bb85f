"""`assetmill stop --all`: the services of every project, and nobody else's processes."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.cli.main import call
from assetmill.local import detached, left_running
from assetmill.local.detached import Service, Starting
from assetmill.local.left_running import LeftRunning
from assetmill.local.own_prefect import lasting_prefect_service, prefect_service
from assetmill.local.services import emulator_service
from tests.assetmill.local.test_detached import sleeper
from tests.millworks import settings_in


def command_line(service: Service) -> str:
    return " ".join([sys.executable, "-m", service.module, *service.arguments])


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[list[Path]]:
    """Two projects at work, one with a space in its path."""
    homes = [tmp_path / "a project", tmp_path / "other"]
    for home in homes:
        home.mkdir()
        Starting(sleeper(home)).wait()
    yield homes
    for home in homes:
        detached.stop_in(home)


def test_those_of_all_projects_end_and_nothing_else(
    homes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = left_running.command_lines

    def ours() -> Iterator[tuple[int, str]]:
        for pid, line in real():
            if str(tmp_path) in line:
                directory = line.partition("sleeper ")[2].removesuffix(" 0.0")
                yield pid, f"python -m foundry_emulator --state {directory} --port 0 "
        # Words that anybody may have typed, of a process that has not started any service.
        yield os.getpid(), f"python -m foundry_emulator --state {homes[0]} --port 0 "

    monkeypatch.setattr(left_running, "command_lines", ours)
    assert call(["stop", "--all"]) == 0
    title = "the embedded Foundry service"
    assert capsys.readouterr().out.splitlines() == [f"{title} in {home}: stopped" for home in homes]
    assert [detached.is_guarded(home) for home in homes] == [False, False]
    assert call(["stop", "--all"]) == 0
    assert capsys.readouterr().out == "nothing is running\n"


def test_one_that_works_in_somebodys_terminal_is_not_said_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_in(tmp_path)
    monkeypatch.setenv("ASSETMILL_HOME", str(settings.home))
    monkeypatch.setenv("ASSETMILL_CONFIGS", str(settings.configs))
    settings.emulator_home.mkdir(parents=True)
    with (settings.emulator_home / detached.STATE_LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert call(["stop"]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "the embedded Foundry service: works still: end it with Ctrl-C where it was started"
    assert all(line.endswith(": was not running") for line in others)


def test_each_service_is_known_by_its_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path)
    services = [
        emulator_service(settings),
        prefect_service(settings, 1),
        lasting_prefect_service(settings, 1),
    ]

    def number(_: Path) -> int:
        return 7

    monkeypatch.setattr(detached, "pid_of", number)
    monkeypatch.setattr(detached, "is_guarded", number)
    monkeypatch.setattr(left_running, "command_lines", lambda: [(7, command_line(one)) for one in services])
    found = {LeftRunning(one.title, one.directory) for one in services}
    assert set(left_running.left_running()) == found
