"""No web page of another place, and no stranger's name for this machine, reaches what the product starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from assetmill.local.guard import Guard, Receive, Scope, Send, auth_string
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
