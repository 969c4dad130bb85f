from __future__ import annotations

import fcntl
import http.server
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from assetmill.cli.emulator import emulator
from assetmill.errors import InvalidSettings
from assetmill.local import detached, services
from assetmill.local.own_prefect import fixed_port, prefect_home, prefect_service
from assetmill.local.services import local_services
from assetmill.settings import load_settings


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Give back the environment: services are announced to Prefect there."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


class _Busy(http.server.BaseHTTPRequestHandler):
    answers: list[int]

    def do_GET(self) -> None:
        # Prefect says that it is well also where it cannot use its database.
        self.send_response(200 if self.path == "/api/health" else self.answers.pop(0))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What somebody's own Prefect server answers, one after the other."""
    handler = type("Busy", (_Busy,), {"answers": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_address[1]}/api")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield handler.answers
        server.shutdown()
        thread.join()


def begin(folder: Path) -> None:
    settings = load_settings("local", {"ASSETMILL_HOME": str(folder)})
    with local_services(settings, emulator=False):
        pass


def _started(_: detached.Starting) -> None:
    """Start nothing: what is looked at is known before a server is ready."""


@pytest.mark.parametrize("is_lasting", [False, True])
def test_only_a_prefect_that_goes_away_is_seen_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_lasting: bool
) -> None:
    monkeypatch.delitem(sys.modules, "prefect", raising=False)  # it would be told of the address as well
    monkeypatch.setattr(services, "has_prefect_api", lambda: False)
    monkeypatch.setattr(detached.Starting, "_start", _started)
    settings = load_settings("local", {"ASSETMILL_HOME": str(tmp_path)})
    with local_services(settings, emulator=False, is_lasting=is_lasting) as local:
        assert local.has_unseen_prefect is not is_lasting


def test_a_server_that_is_busy_is_asked_again(answers: list[int], tmp_path: Path) -> None:
    answers += [503, 200]
    begin(tmp_path)
    assert answers == []


def test_a_server_without_its_database_is_named(
    answers: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "BUSY_S", 0.0)
    answers += [503, 503]
    with pytest.raises(InvalidSettings, match=r"is there and was not ready .* restart it"):
        begin(tmp_path)


def test_a_server_of_ours_without_its_database_is_not_taken_up(answers: list[int], tmp_path: Path) -> None:
    service = prefect_service(load_settings("local", {"ASSETMILL_HOME": str(tmp_path)}))
    service.ready_file.write_text(json.dumps({"api_url": os.environ["PREFECT_API_URL"]}))
    answers += [503, 200]
    assert detached.find(service) is None
    assert detached.find(service)


def test_a_server_that_is_there_keeps_its_address_however_busy(tmp_path: Path) -> None:
    settings = load_settings("local", {"ASSETMILL_HOME": str(tmp_path)})
    directory = prefect_home(settings, is_lasting=True)
    directory.mkdir(parents=True)
    with socket.socket() as busy, (directory / detached.STATE_LOCK).open("a") as state:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        (directory / "port").write_text(str(busy.getsockname()[1]))
        fcntl.flock(state, fcntl.LOCK_EX)
        assert fixed_port(settings) == busy.getsockname()[1]


def test_a_server_that_is_not_there_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/api")
        with pytest.raises(InvalidSettings, match="does not answer: start it, or unset PREFECT_API_URL"):
            begin(tmp_path)


def test_a_missing_emulator_is_said_in_one_line_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Production installs assetmill without it."""
    monkeypatch.setattr(services, "EMULATOR", "foundry_emulator_that_nobody_installed")
    settings = load_settings("local", {"ASSETMILL_HOME": str(tmp_path)})
    with pytest.raises(InvalidSettings) as caught, local_services(settings, prefect=False):
        pass
    assert "pip install ./emulator" in str(caught.value)
    assert "assetmill[local]" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not settings.emulator_home.exists()


def test_the_command_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "EMULATOR", "foundry_emulator_that_nobody_installed")
    told = CliRunner().invoke(emulator, ["bill"])
    assert isinstance(told.exception, InvalidSettings)


@pytest.mark.server
def test_the_emulator_does_not_go_while_a_run_lives_and_goes_when_idle_after_it(tmp_path: Path) -> None:
    folder = {"ASSETMILL_HOME": str(tmp_path / "home"), "ASSETMILL_IDLE_TIMEOUT_S": "0.3"}
    settings = load_settings("local", folder)
    home = settings.emulator_home
    with local_services(settings, prefect=False) as local:
        local.wait_for_emulator()
        with pytest.raises(TimeoutError):
            until_free(home, 2.5)  # it looks once a second
        assert (home / detached.READY).exists()
    until_free(home, 20.0)
    assert not (home / detached.READY).exists()


def until_free(directory: Path, limit_s: float) -> None:
    """Wait until no process works on a state."""
    deadline = time.monotonic() + limit_s
    while detached.is_guarded(directory):
        if time.monotonic() > deadline:
            raise TimeoutError(str(directory))
        time.sleep(0.05)  # it is nobody's child: the system does not tell when it ends
