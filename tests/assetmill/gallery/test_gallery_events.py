"""What an open page is told, and who is told nothing."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from assetmill.errors import StageError
from assetmill.gallery.events import MOST_CONNECTIONS
from assetmill.gallery.hanging import Hanging
from assetmill.gallery.planned import reused_in
from assetmill.gallery.serving import Gallery
from assetmill.gallery.walls import Walls
from assetmill.local.guard import Guard
from assetmill.runs.run import Run, begin_run
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import serving, site_on
from tests.batchworks import products, run_rows
from tests.doubles import ScriptedGateway
from tests.millworks import run_here, services_on

PORT = 4711


@pytest.fixture
def run(services: Services) -> Run:
    return begin_run("chain", {}, services, str(uuid.uuid4()))


def hanging(services: Services, what: str) -> Hanging:
    return Hanging(Walls(services.backend, reused_in(services.settings, services.ledger)).find(what))


def states(hung: Hanging) -> list[str]:
    return [tile.state for tile in hung.tiles]


def carry_out(run: Run, services: Services, label: str) -> None:
    call = run.begin(label)
    assert call is not None
    run.end(label, run_stage(call, services, run.run_id))


def test_a_run_hangs_before_it_has_made_anything(services: Services, run: Run) -> None:
    hung = hanging(services, run.run_id)
    assert states(hung) == ["queued", "queued"]
    carry_out(run, services, "first")
    assert hung.look()
    assert states(hung) == ["output", "queued"]
    assert hung.since(2) == [0]
    assert not hung.look()
    carry_out(run, services, "second")
    run.seal()
    assert hung.look()
    assert not hung.is_live
    assert states(hung) == ["output", "output"]


def test_what_was_there_before_the_run_hangs_at_once(services: Services) -> None:
    run_here(services, "chain")
    again = begin_run("chain", {}, services, str(uuid.uuid4()))
    assert states(hanging(services, again.run_id)) == ["output", "output"]


def test_what_was_refused_hangs_with_its_reason(services: Services, run: Run) -> None:
    gateway = ScriptedGateway()
    gateway.status = "failed"
    refusing = services_on(services.settings, services.backend, gateway)
    call = run.begin("first")
    assert call is not None
    with pytest.raises(StageError):
        run_stage(call, refusing, run.run_id)
    tile = hanging(services, run.run_id).tiles[0]
    assert tile.state == "failed"
    assert tile.reason


def test_another_run_of_the_pipeline_is_no_part_of_it(services: Services, run: Run) -> None:
    other = begin_run("chain", {"subject": "a red lamp"}, services, str(uuid.uuid4()))
    carry_out(other, services, "first")
    assert states(hanging(services, run.run_id)) == ["queued", "queued"]


def test_a_batch_fills_its_rows(services: Services, tmp_path: Path) -> None:
    rows = products(tmp_path, "mug", "lamp")
    manifest = run_rows(services, rows)
    before = hanging(services, manifest.batch_id)
    assert {tile.row for tile in before.tiles} == {row.name for row in manifest.rows}
    newest = next(iter(services.backend.list(f"v1/n/{manifest.batch_id}/m/")))
    services.backend.delete(newest.key)
    # As a killed batch leaves it: its start, and the pages that it had written.
    killed = hanging(services, manifest.batch_id)
    assert killed.is_live
    assert {tile.name for tile in killed.tiles} == {tile.name for tile in before.tiles}


@pytest.fixture
def gallery(services: Services, run: Run) -> Gallery:
    return Gallery(site_on(services, Walls(services.backend).find(run.run_id)))


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Cookie": "assetmill-gallery=x"}],
)
def test_nobody_else_is_told(gallery: Gallery, headers: dict[str, str]) -> None:
    guard = Guard(gallery.app, PORT)  # pyright: ignore[reportArgumentType]
    with TestClient(guard, base_url=f"http://127.0.0.1:{PORT}", follow_redirects=False) as client:
        if "Cookie" not in headers:
            client.get(gallery.entrance)
        assert client.get("/events", headers=headers).status_code == 403


class Caller:
    """A browser's connections, by hand: as many as somebody wants."""

    def __init__(self, link: str) -> None:
        self.place = urlsplit(link)
        connection = HTTPConnection(self.place.netloc)
        connection.request("GET", self.place.path)
        said = connection.getresponse().getheader("set-cookie")
        connection.close()
        self.cookie = next(f"{name}={one.value}" for name, one in SimpleCookie(said).items())

    def ask(self, path: str) -> socket.socket:
        connection = socket.create_connection((self.place.hostname, self.place.port), timeout=20)
        head = f"GET {path} HTTP/1.1\r\nHost: {self.place.netloc}\r\nCookie: {self.cookie}\r\n\r\n"
        connection.sendall(head.encode())
        return connection


def status(connection: socket.socket) -> int:
    return int(connection.recv(4096).split(b" ", 2)[1])


@pytest.fixture
def caller(gallery: Gallery) -> Iterator[Caller]:
    with serving(gallery) as link:
        yield Caller(link)


@pytest.mark.timeout(120)
def test_ten_thousand_pages_are_refused_and_one_more_is_told(caller: Caller) -> None:
    with ExitStack() as stack:
        told = [stack.enter_context(caller.ask("/events")) for _ in range(MOST_CONNECTIONS)]
        assert {status(one) for one in told} == {200}
        for _ in range(100):
            wave = [caller.ask("/events") for _ in range(100)]
            assert {status(one) for one in wave} == {503}
            for one in wave:
                one.close()
        with caller.ask("/") as page:
            assert status(page) == 200
    # Those who were told have gone: there is room again, as soon as the server has noticed.
    for _ in range(1000):
        with caller.ask("/events") as one:
            if status(one) == 200:
                return
    pytest.fail("nobody is told any more")


def test_a_stream_ends_before_its_server(gallery: Gallery) -> None:
    with serving(gallery) as link:
        one = Caller(link).ask("/events")
        said = one.recv(4096)
        assert b"text/event-stream" in said
    while part := one.recv(4096):
        said += part
    one.close()
    assert said.endswith(b"event: ending\ndata: null\n\n\r\n0\r\n\r\n"), said[-200:]


def test_who_was_away_is_told_what_came_since(caller: Caller, services: Services, run: Run) -> None:
    carry_out(run, services, "first")
    with caller.ask("/events?after=2") as one:
        said = b""
        while b"\nid: " not in said:
            said += one.recv(65536)
    (tiles,) = re.findall(rb"event: tiles\r?\ndata: (.*)", said)
    ((place, tile),) = json.loads(tiles)
    assert (place, tile["state"], tile["name"]) == (0, "output", "first.png")


@pytest.mark.parametrize("after", ["-1", "x", "9" * 5000, "1e3", "%00", "%D9%A3"])
def test_nonsense_is_no_number(caller: Caller, after: str) -> None:
    with caller.ask(
        f"/events?after={after.encode('idna').decode() if after == chr(0x663) else after}"
    ) as one:
        assert status(one) in {200, 204, 400}
