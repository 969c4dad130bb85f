"""No web page of another place, and no stranger's name for this machine, reaches what the product starts."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from assetmill.local import detached
from assetmill.local.guard import Guard, Receive, Scope, Send, auth_string
from assetmill.local.own_prefect import (
    fixed_port,
    lasting_prefect_service,
    prefect_service,
)
from assetmill.local.services import emulator_service, local_services
from assetmill.settings import Settings, load_settings
from tests.assetmill.test_private import open_paths

SERVER = [pytest.mark.server, pytest.mark.xdist_group("listeners"), pytest.mark.timeout(240)]


@dataclass
class Passed:
    """The application behind a guard, and what became of a request."""

    reached: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached += 1

    def ask(self, kind: str = "http", **headers: str) -> bool:
        """Return whether a request with these headers got through."""
        before = self.reached

        async def send(message: Any) -> None:
            self.sent.append(dict(message))

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        listed = [(name.encode(), value.encode()) for name, value in headers.items()]
        asyncio.run(Guard(self, 4200)({"type": kind, "headers": listed}, receive, send))
        return self.reached > before


@pytest.mark.parametrize("host", ["127.0.0.1:4200", "localhost:4200", "LOCALHOST:4200", "[::1]:4200"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_this_machine_and_our_own_page_get_through(host: str, kind: str) -> None:
    assert Passed().ask(kind, host=host)
    assert Passed().ask(kind, host=host, origin="http://127.0.0.1:4200")


FOREIGN = [
    {"host": "evil.example:4200"},
    {"host": "127.0.0.1.evil.example:4200"},
    {"host": "127.0.0.1:4201"},
    {"host": "127.0.0.1"},
    {},
    {"host": "127.0.0.1:4200", "origin": "https://evil.example"},
    {"host": "127.0.0.1:4200", "origin": "null"},
    {"host": "127.0.0.1:4200", "origin": "http://127.0.0.1:8000"},
    {"host": "127.0.0.1:4200", "origin": "http://127.0.0.1:4200.evil.example"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_what_is_foreign_is_refused_before_it_is_read(headers: dict[str, str]) -> None:
    passed = Passed()
    assert not passed.ask(**headers)
    assert passed.sent[0]["status"] == 403
    assert not passed.ask("websocket", **headers)
    assert (passed.sent[-1]["type"], passed.sent[-1]["code"]) == ("websocket.close", 1008)


def test_a_home_has_one_secret_that_only_its_owner_reads(tmp_path: Path) -> None:
    first = auth_string(tmp_path / "prefect")
    assert first == auth_string(tmp_path / "prefect")
    assert len(first) > 40
    assert open_paths(tmp_path / "prefect" / "auth") == []
    assert auth_string(tmp_path / "other") != first


@dataclass(frozen=True)
class Listener:
    """Something that waits for connections, what it asks for, and a request that it would answer."""

    url: str
    headers: dict[str, str]
    ca: str | None = None

    def status(self, method: str = "POST", **changed: str) -> int:
        request = urllib.request.Request(self.url, b"{}" if method == "POST" else None, method=method)  # noqa: S310
        for name, value in {"Content-Type": "application/json", **self.headers, **changed}.items():
            request.add_header(name, value)
        context = ssl.create_default_context(cafile=self.ca) if self.ca else None
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:  # noqa: S310
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Everything that listens, as `run` and `serve` start it."""
    before = dict(os.environ)
    settings = load_settings("local", {"ASSETMILL_HOME": str(tmp_path_factory.mktemp("p") / ".assetmill")})
    try:
        with local_services(settings) as local:
            local.wait_for_emulator()
            local.wait_for_prefect()
        with local_services(settings, emulator=False, is_lasting=True) as local:
            local.wait_for_prefect()
        yield settings
    finally:
        for service in services(settings):
            assert detached.stop(service)
        os.environ.clear()
        os.environ.update(before)


def services(settings: Settings) -> list[detached.Service]:
    return [emulator_service(settings), prefect_service(settings), lasting_prefect_service(settings)]


def listeners(settings: Settings) -> dict[str, Listener]:
    import base64

    emulator, runs, lasting = (detached.find(service) for service in services(settings))
    assert emulator
    assert runs
    assert lasting
    basic = base64.b64encode(auth_string(settings.home / "prefect").encode()).decode()
    prefect = {"Authorization": f"Basic {basic}"}
    token = {"Authorization": f"Bearer {emulator['token']}"}
    return {
        "prefect of runs": Listener(f"{runs['api_url']}/flow_runs/filter", prefect),
        "prefect of serve": Listener(f"{lasting['api_url']}/flow_runs/filter", prefect),
        "its page": Listener(str(lasting["api_url"]).removesuffix("/api") + "/ui-settings", {}),
        "project": Listener(f"{emulator['endpoint']}/agents?api-version=v1", {}, emulator["ca"]),
        "identity": Listener(str(emulator["identity_endpoint"]), {}),
        "control": Listener(f"{emulator['control']}/settings", token),
    }


WHO = ["prefect of runs", "prefect of serve", "its page", "project", "identity", "control"]
ASKED_WITH_GET = {"its page", "project", "identity"}


@pytest.mark.parametrize("who", WHO)
class TestListeners:
    pytestmark = SERVER

    def test_a_page_of_another_place_is_refused(self, home: Settings, who: str) -> None:
        listener = listeners(home)[who]
        method = "GET" if who in ASKED_WITH_GET else "POST"
        here = f"{urlsplit(listener.url).hostname}:{urlsplit(listener.url).port}"
        plain = listener.status(method)
        for foreign in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
            assert listener.status(method, **foreign) in {400, 403}, foreign
            assert listener.status("POST", **foreign) in {400, 403}, foreign
        # The refusals above are of the strangers: the same request without them is answered.
        assert plain == listener.status(method, Host=here)
        assert plain not in {400, 403}


@pytest.mark.parametrize("who", ["prefect of runs", "prefect of serve", "control"])
class TestSecrets:
    pytestmark = SERVER

    def test_who_does_not_know_the_secret_starts_nothing(self, home: Settings, who: str) -> None:
        known = listeners(home)[who]
        assert known.status() == 200
        for wrong in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer x"}):
            assert Listener(known.url, wrong, known.ca).status() == 401


class TestLasting:
    pytestmark = SERVER

    def test_it_keeps_its_address_and_has_a_page(self, home: Settings) -> None:
        listener = listeners(home)["its page"]
        with urllib.request.urlopen(listener.url, timeout=30) as answer:  # noqa: S310
            told = json.loads(answer.read())
        assert told["auth"] == "BASIC"
        assert urlsplit(listener.url).port == fixed_port(home)
        assert told["api_url"] == f"http://127.0.0.1:{fixed_port(home)}/api"
        assert Listener(listener.url.removesuffix("ui-settings"), {}).status("GET") == 200

    def test_runs_use_it_while_it_is_there(self, home: Settings) -> None:
        with local_services(home, emulator=False) as local:
            local.wait_for_prefect()
            assert os.environ["PREFECT_API_URL"] == f"http://127.0.0.1:{fixed_port(home)}/api"
        assert "PREFECT_API_URL" not in os.environ

    def test_nothing_that_was_written_is_open_to_others(self, home: Settings) -> None:
        assert open_paths(home.home) == []
