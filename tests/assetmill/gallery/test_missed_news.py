"""No page shows for ever that something is being drawn: it is told what it missed, or says it is not live."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.gallery.hanging import Hanging
from assetmill.gallery.house import House
from assetmill.gallery.overview import Overview
from assetmill.gallery.serving import Gallery
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.runs.run import Run, begin_run
from assetmill.stage.owners import is_alive, this_owner
from assetmill.stage.services import Services
from assetmill.store.opening import open_store
from tests.assetmill.gallery.conftest import serving
from tests.assetmill.gallery.test_gallery_events import (
    Caller,
    carry_out,
    gallery,
    hanging,
    run,
    states,
    status,
)
from tests.assetmill.gallery.test_gallery_home import begun, entered, house
from tests.batchworks import products, run_rows
from tests.doubles import ScriptedGateway, message_item
from tests.millworks import services_on, settings_in

__all__ = ["begun", "gallery", "house", "run"]

pytestmark = pytest.mark.timeout(60)

WORDS = """
name: chain
stages:
  - {name: first, prompt: Say something.}
  - {name: second, prompt: Say more.}
"""


class Crash(BaseException):
    """The end of a process, in the middle of whatever it does."""


def crash(services: Services, run: Run, owner: str) -> None:
    """Leave the first stage as a process leaves it that is ended while the service draws."""

    def ended(_request: ResponseRequest) -> None:
        raise Crash

    gateway = ScriptedGateway()
    gateway.before = ended
    dying = services_on(services.settings, services.backend, gateway)
    dying.owner = owner
    with pytest.raises(Crash):
        carry_out(run, dying, "first")


@contextmanager
def ended_and_unburied() -> Generator[str]:
    """The name, as an owner, of a process that was killed, and whose parent has not asked for its end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        host, _, rest = this_owner().rsplit(":", 2)
        owner = f"{host}:{child.pid}:{rest}"
        assert is_alive(owner)
        child.send_signal(signal.SIGKILL)
        stat = Path(f"/proc/{child.pid}/stat")
        deadline = time.monotonic() + 20
        while b") Z " not in stat.read_bytes():
            assert time.monotonic() < deadline
        yield owner


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell who is not buried")
def test_who_was_killed_works_on_nothing_though_nobody_has_buried_them(services: Services, run: Run) -> None:
    with ended_and_unburied() as owner:
        crash(services, run, owner)
        assert not is_alive(owner)
        assert states(hanging(services, run.run_id)) == ["interrupted", "interrupted"]
        assert home(services)["state"] == "interrupted"


def home(services: Services) -> dict[str, Any]:
    thumbnails = ThumbnailStore(services.settings.home, services.blobs)
    (told,) = Overview(services.backend, services.settings.configs, thumbnails, None).read()["runs"]
    return told


def test_what_runs_for_long_is_under_way_at_home(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = 3 * 3600.0
    with monkeypatch.context() as earlier:
        now = time.time
        earlier.setattr("assetmill.runs.run.time.time", lambda: now() - hours)
        run = begin_run("chain", {}, services, str(uuid.uuid4()))
    crash(services, run, this_owner())
    told = home(services)
    assert told["at"] < time.time() - hours + 60
    assert told["state"] == "under way"


def test_a_stage_that_made_nothing_to_show_is_told_of(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, chain=WORDS)
    gateway = ScriptedGateway(lambda _request: [message_item("Nothing to see.")])
    services = services_on(settings, open_store(settings.store_url), gateway)
    run = begin_run("chain", {}, services, str(uuid.uuid4()))
    hung = hanging(services, run.run_id)
    carry_out(run, services, "first")
    carry_out(run, services, "second")
    run.seal()
    hung.look()
    assert not hung.is_live
    assert states(hung) == ["done", "done"]
    services.close()


def test_a_batch_that_runs_again_is_followed_again(services: Services, house: House, tmp_path: Path) -> None:
    rows = products(tmp_path, "mug", "lamp")
    failing = ScriptedGateway()
    failing.status = "failed"
    ill = services_on(services.settings, services.backend, failing)
    batch_id = run_rows(ill, rows).batch_id
    with entered(house) as browser:
        wall = f"/walls/{batch_id}"
        assert b'"states":["failed"' in browser.get(f"{wall}/wall.js").content
        run_rows(ill, rows)
        # The end of another pass: an open page is told, and one that is loaded after it looks again.
        browser.get(f"{wall}/")
        assert b'"live":null' in browser.get(f"{wall}/wall.js").content
        run_rows(services, rows, pays_again=True)
        browser.get(f"{wall}/")
        assert b'"states":["output"]' in browser.get(f"{wall}/wall.js").content


def test_who_watches_goes_on_whatever_a_look_meets(
    services: Services, run: Run, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, look = threading.Event(), Hanging.look

    def broken(_hung: Hanging) -> bool:
        looked.set()
        raise MemoryError

    with serving(gallery) as link:
        caller = Caller(link)
        with caller.ask("/events?after=2") as one, monkeypatch.context() as patch:
            patch.setattr(Hanging, "look", broken)
            assert looked.wait(20)
            patch.setattr(Hanging, "look", look)
            carry_out(run, services, "first")
            assert b'"first.png"' in until(one, b"\nid: 3")


def test_a_page_of_another_hanging_is_told_to_load_again(gallery: Gallery) -> None:
    with serving(gallery) as link, Caller(link).ask("/events?after=90&series=of-before") as one:
        assert b"event: anew" in until(one, b"\r\n0\r\n")


def test_who_was_away_at_the_end_is_told_of_it(services: Services, run: Run, gallery: Gallery) -> None:
    carry_out(run, services, "first")
    carry_out(run, services, "second")
    run.seal()
    with serving(gallery) as link:
        caller = Caller(link)
        for after in (2, 4):
            with caller.ask(f"/events?after={after}") as one:
                assert b"event: over" in until(one, b"event: over")


def test_all_walls_of_a_server_have_few_pages_together(
    services: Services, house: House, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every asset has a wall of its own: one browser could ask for thousands."""
    monkeypatch.setattr("assetmill.gallery.events.MOST_OF_SERVER", 5)
    carry_out(run, services, "first")
    with serving(house) as link, ExitStack() as stack:
        caller = Caller(link)
        walls = (run.run_id, "latest", "chain", "-", run.records["first"].outputs[0].asset_id)
        for number, what in enumerate(("-", *walls, *walls)):
            one = stack.enter_context(caller.ask(f"/walls/{what}/events"))
            assert status(one) == (200 if number < 5 else 503)
        with caller.ask("/overview") as home:
            assert status(home) == 200


def until(connection: socket.socket, sign: bytes) -> bytes:
    said = b""
    while sign not in said:
        part = connection.recv(65536)
        assert part, said
        said += part
    return said
