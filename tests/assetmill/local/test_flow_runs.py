"""What a command hears of a flow that could not begin."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

from assetmill.errors import PrefectAway
from assetmill.local.flow_runs import carry_out
from assetmill.local.prefect_server import Database


async def ask(api: str) -> None:
    from prefect.client.orchestration import PrefectClient

    async with PrefectClient(api) as client:
        await client.raise_for_api_version_mismatch()


def test_a_prefect_that_cannot_be_reached_is_told_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nothing listens there
        api = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        with pytest.raises(PrefectAway, match=r"Failed to reach API at .*: run it again when it works"):
            carry_out(ask(api))


@pytest.mark.parametrize(("status", "said"), [(500, "cannot work; what was paid for is kept"), (404, "^no$")])
def test_a_prefect_that_cannot_work_is_told_in_words(status: int, said: str) -> None:
    from prefect.exceptions import PrefectHTTPStatusError

    async def answered() -> None:
        asked = httpx.Request("POST", "http://127.0.0.1/api/flows/")
        raise PrefectHTTPStatusError("no", request=asked, response=httpx.Response(status, request=asked))

    with pytest.raises(PrefectAway if status == 500 else PrefectHTTPStatusError, match=said):
        carry_out(answered())


@pytest.mark.parametrize(("answers", "ends_after"), [([False] * 3, 3), ([False, False, True, False], None)])
def test_a_server_that_has_lost_its_database_ends(
    monkeypatch: pytest.MonkeyPatch, answers: list[bool], ends_after: int | None
) -> None:
    left, now = list(answers), [0.0]

    class Interface:
        async def is_db_connectable(self) -> bool:
            return left.pop(0)

    monkeypatch.setattr("prefect.server.database.provide_database_interface", Interface)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    database, lost = Database(), list[bool]()
    for _ in answers:
        assert asyncio.run(database.is_lost()) is False  # not so soon after the last time
        now[0] += 6.0
        lost.append(asyncio.run(database.is_lost()))
    assert lost == [number == ends_after for number in range(1, len(answers) + 1)]


def test_another_error_of_a_flow_stays_what_it_is() -> None:
    async def broken() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        carry_out(broken())
