"""Prefect that cannot be laid out, or goes away in the middle, is said in words."""

from __future__ import annotations

import resource
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from assetmill.errors import InvalidSettings, PrefectAway
from assetmill.local import prefect_server
from assetmill.local.flow_runs import carry_out
from assetmill.local.own_prefect import free_port


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let this process write no file longer than a page of a database."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_too_full_for_prefects_database_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    template = tmp_path / "template.db"
    with closing(sqlite3.connect(template)) as database, database:
        database.execute("create table flow_run (id text)")
    monkeypatch.setattr(prefect_server, "template", lambda: template)
    directory = tmp_path / "prefect"
    request.getfixturevalue("full_disk")
    with pytest.raises(InvalidSettings, match=r"Prefect's database cannot be laid out .*: make room"):
        prefect_server.lay_out(directory)
    assert list(directory.iterdir()) == []


def test_a_server_that_went_away_in_the_middle_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def flow() -> None:
        raise httpx.ConnectError("refused")

    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    with pytest.raises(PrefectAway, match=r"went away in the middle of this .*run it again"):
        carry_out(flow())


def test_an_error_of_anything_else_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def flow() -> None:
        raise LookupError("a bug")

    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    with pytest.raises(LookupError, match="a bug"):
        carry_out(flow())
