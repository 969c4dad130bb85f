"""Everything that the product makes listen: each refuses pages of other places and strangers' names."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from assetmill.gallery.links import ReviewLinks
from assetmill.local import detached
from assetmill.local.guard import auth_string
from assetmill.local.own_prefect import fixed_port, lasting_prefect_service, prefect_service
from assetmill.local.services import emulator_service, local_services
from assetmill.reviews.reviewers import add_reviewer
from assetmill.settings import Settings
from tests.assetmill.test_private import open_paths
from tests.millworks import settings_in

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("listeners"), pytest.mark.timeout(240)]

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "gallery": ("open", "--no-browser"),
    "coding agents": ("mcp", "--http"),
    "team": ("serve", "--review-port", "0"),
}
"""What stays in the foreground and listens itself."""


@dataclass(frozen=True)
class Listener:
    """Something that waits for connections, what it asks for, and a request that it would answer."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    ca: str | None = None
    method: str = "POST"

    def status(self, method: str = "", **changed: str) -> int:
        method = method or self.method
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


@dataclass(frozen=True)
class Home:
    """A home in which everything listens."""

    settings: Settings
    listeners: Mapping[str, Listener]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Start all of it, as commands do."""
    folder = tmp_path_factory.mktemp("p")
    settings = settings_in(folder, one="name: one\nstages: [{name: a, prompt: Say hello.}]\n")
    add_reviewer("ada", (), settings.configs, settings.home)
    before = dict(os.environ)
    try:
        with local_services(settings) as local:
            local.wait_for_emulator()
            local.wait_for_prefect()
        with ExitStack() as stack:
            begun = {name: stack.enter_context(_begun(name, settings)) for name in COMMANDS}
            with local_services(settings, emulator=False, is_lasting=True) as local:
                local.wait_for_prefect()
            told = {name: _address(process) for name, process in begun.items()}
            yield Home(settings, {**_services(settings), **_commands(settings, told)})
    finally:
        for service in (
            emulator_service(settings),
            prefect_service(settings),
            lasting_prefect_service(settings),
        ):
            assert detached.stop(service)
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _begun(name: str, settings: Settings) -> Generator[subprocess.Popen[str]]:
    """Run a command while the caller works."""
    places = {"ASSETMILL_HOME": str(settings.home), "ASSETMILL_CONFIGS": str(settings.configs)}
    with subprocess.Popen(
        [sys.executable, "-m", "assetmill.cli.main", *COMMANDS[name]],
        cwd=settings.home.parent,
        env={**os.environ, **places},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    """Return the address that a command says first."""
    assert process.stdout
    said = next((line for line in process.stdout if "http://127.0.0.1:" in line), "")
    return next(word for word in said.split() if word.startswith("http://"))


def _services(settings: Settings) -> dict[str, Listener]:
    emulator, runs, lasting = (
        detached.find(service) or {}
        for service in (
            emulator_service(settings),
            prefect_service(settings),
            lasting_prefect_service(settings),
        )
    )
    basic = base64.b64encode(auth_string(settings.home / "prefect").encode()).decode()
    prefect = {"Authorization": f"Basic {basic}"}
    token = {"Authorization": f"Bearer {emulator['token']}"}
    page = str(lasting["api_url"]).removesuffix("/api")
    return {
        "prefect of runs": Listener(f"{runs['api_url']}/flow_runs/filter", prefect),
        "prefect of serve": Listener(f"{lasting['api_url']}/flow_runs/filter", prefect),
        "its page": Listener(f"{page}/ui-settings", method="GET"),
        "project": Listener(f"{emulator['endpoint']}/agents?api-version=v1", ca=emulator["ca"], method="GET"),
        "identity": Listener(str(emulator["identity_endpoint"]), method="GET"),
        "control": Listener(f"{emulator['control']}/settings", token),
    }


def _commands(settings: Settings, told: Mapping[str, str]) -> dict[str, Listener]:
    _, token = ReviewLinks(settings.home).make("ada", "spend", 600.0)
    bearer = {"Authorization": f"Bearer {auth_string(settings.home / 'mcp').partition(':')[2]}"}
    return {
        "gallery": _entered(told["gallery"]),
        "team": _entered(f"{told['team']}/enter/{token}"),
        "coding agents": Listener(told["coding agents"], bearer),
    }


def _entered(link: str) -> Listener:
    """Go in by a link, as a browser does, and return the first page with what the browser was given."""
    with httpx2.Client(trust_env=False, follow_redirects=True) as browser:
        page = browser.get(link)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    assert page.status_code == 200
    return Listener(str(page.url), {"Cookie": cookies}, method="GET")


WHO = ["prefect of runs", "prefect of serve", "its page", "project", "identity", "control", *COMMANDS]


@pytest.mark.parametrize("who", WHO)
def test_a_page_of_another_place_is_refused(home: Home, who: str) -> None:
    listener = home.listeners[who]
    here = f"{urlsplit(listener.url).hostname}:{urlsplit(listener.url).port}"
    plain = listener.status()
    for foreign in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        assert listener.status(**foreign) in {400, 403}, foreign
        assert listener.status("POST", **foreign) in {400, 403}, foreign
    # The refusals above are of the strangers: the same request without them is answered.
    assert plain == listener.status(Host=here)
    assert plain not in {400, 403}


def test_nothing_else_listens(home: Home) -> None:
    known = {urlsplit(listener.url).port for listener in home.listeners.values()}
    assert ports_of(home.settings.home.parent) == known


def ports_of(folder: Path) -> set[int]:
    """Return the ports on which a folder's processes listen; fail where other machines could ask them."""
    sockets = {
        fields[9]: fields[1].split(":")
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A"
    }
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        for inode in _sockets(process, folder) & sockets.keys():
            address, port = sockets[inode]
            assert address == "0100007F", (process / "cmdline").read_bytes()
            found.add(int(port, 16))
    return found


def _sockets(process: Path, folder: Path) -> set[str]:
    try:
        told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        links = [os.readlink(handle) for handle in (process / "fd").iterdir()]
    except OSError:
        return set()  # it has gone, or is another person's
    if process.name == str(os.getpid()) or str(folder).encode() not in told:
        return set()
    return {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}


@pytest.mark.parametrize("who", ["prefect of runs", "prefect of serve", "control", "coding agents"])
def test_who_does_not_know_the_secret_starts_nothing(home: Home, who: str) -> None:
    known = home.listeners[who]
    assert known.status() not in {401, 403}
    for wrong in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer x"}):
        assert Listener(known.url, wrong, known.ca).status() == 401


@pytest.mark.parametrize("who", ["gallery", "team"])
def test_who_has_no_link_sees_nothing(home: Home, who: str) -> None:
    known = home.listeners[who]
    assert known.status() == 200
    for wrong in ({}, {"Cookie": known.headers["Cookie"][:-1] + "x"}):
        assert Listener(known.url, wrong, method="GET").status() == 403


def test_the_lasting_prefect_keeps_its_address_and_has_a_page(home: Home) -> None:
    listener = home.listeners["its page"]
    with urllib.request.urlopen(listener.url, timeout=30) as answer:  # noqa: S310
        told: dict[str, Any] = json.loads(answer.read())
    assert told["auth"] == "BASIC"
    assert urlsplit(listener.url).port == fixed_port(home.settings)
    assert told["api_url"] == f"http://127.0.0.1:{fixed_port(home.settings)}/api"
    assert Listener(listener.url.removesuffix("ui-settings")).status("GET") == 200


def test_runs_use_the_lasting_prefect_while_it_is_there(home: Home) -> None:
    with local_services(home.settings, emulator=False) as local:
        local.wait_for_prefect()
        assert os.environ["PREFECT_API_URL"] == f"http://127.0.0.1:{fixed_port(home.settings)}/api"
    assert "PREFECT_API_URL" not in os.environ


def test_nothing_that_was_written_is_open_to_others(home: Home) -> None:
    assert open_paths(home.settings.home) == []
