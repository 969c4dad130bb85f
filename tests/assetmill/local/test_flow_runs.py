"""What a command hears of a flow that could not begin."""

from __future__ import annotations

import socket

import pytest

from assetmill.errors import PrefectAway
from assetmill.local.flow_runs import carry_out


async def ask(api: str) -> None:
    from prefect.client.orchestration import PrefectClient

    async with PrefectClient(api) as client:
        await client.raise_for_api_version_mismatch()


def test_a_prefect_that_cannot_be_reached_is_told_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nothing listens there
        api = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        with pytest.raises(PrefectAway, match=r"Failed to reach API at .*: run it again when it answers"):
            carry_out(ask(api))


def test_another_error_of_a_flow_stays_what_it_is() -> None:
    async def broken() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        carry_out(broken())
