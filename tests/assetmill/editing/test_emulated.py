"""Edits against the embedded service, which forgets everything on demand; the vendor's SDK is in between."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from foundry_emulator.server import Ready, running

from assetmill.agents.connecting import EmulatorCredential
from assetmill.agents.foundry import FoundryGateway
from assetmill.agents.gateway import Gateway
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import begin_edit, carry_out_all
from assetmill.records import AssetRecord
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import png
from tests.millworks import run_here, settings_in

KINDS = """
name: kinds
stages:
  - name: hero
    prompt: Draw a red mug on a table.
    tools: [{type: image_generation, quality: low}]
    outputs: [{name: hero.png}]
  - name: table
    prompt: "Use Python to save a CSV file as table.csv with the columns month and sales, 3 rows."
    tools: [code_interpreter]
    outputs: [{name: table.csv, kind: data}]
"""


class Service:
    """A running emulator and its control API."""

    def __init__(self, ready: Ready) -> None:
        self.ready = ready

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask(path, json.dumps(body).encode())

    def uploads(self) -> int:
        counts = self._ask("requests", None)["counts"]
        return int(counts.get("files.create", 0))

    def expire_everything(self) -> None:
        """Let files, containers, responses and vector stores go; conversations keep their items."""
        self.post("expire", {"kinds": ["all"]})

    def forget_everything(self) -> None:
        """Be a service on which nothing ever happened."""
        self.post("reset", {})

    def _ask(self, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.ready.token}", "Content-Type": "application/json"}
        # The address is the emulator's own: loopback.
        request = urllib.request.Request(f"{self.ready.control}/{path}", body, headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310
            return json.load(reply)


@contextmanager
def served(folder: Path) -> Generator[Service]:
    with running(folder) as ready:
        yield Service(ready)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(tmp_path_factory.mktemp("emulator")) as service:
        yield service


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A second project, which knows nothing."""
    with served(tmp_path_factory.mktemp("elsewhere")) as service:
        yield service


@pytest.fixture
def opened(backend: MemoryStore, tmp_path: Path) -> Iterator[Callable[[Service], Services]]:
    """Return what opens a project with the one store."""
    settings = settings_in(tmp_path, kinds=KINDS)
    found: list[Services] = []

    def open_on(service: Service) -> Services:
        services = Services(settings, backend, lambda _settings, wait: gateway_to(service, wait))
        services.wait = lambda seconds: time.sleep(min(seconds, 0.05))
        found.append(services)
        return services

    yield open_on
    for services in found:
        services.close()


def gateway_to(service: Service, wait: Callable[[float], None]) -> Gateway:
    ready = service.ready
    credential = EmulatorCredential(ready.identity_endpoint, ready.identity_header)
    return FoundryGateway(ready.endpoint, credential, wait=wait, poll_s=0.05, ca=ready.ca)


def edit(services: Services, asset: AssetRecord, instruction: str, **options: Any) -> AssetRecord:
    run = begin_edit(EditOrder(asset.asset_id, instruction, **options), services, str(uuid.uuid4()))
    manifest = carry_out_all(run)
    assert manifest.status == "completed", [entry.error for entry in manifest.stages]
    return run.results["edit"]


def made(services: Services) -> dict[str, AssetRecord]:
    manifest = run_here(services, "kinds")
    assert manifest.status == "completed", [entry.error for entry in manifest.stages]
    return {asset.name: asset for asset in manifest.assets()}


def test_an_edit_needs_no_upload_while_the_service_has_the_call(
    service: Service, opened: Callable[[Service], Services]
) -> None:
    services = opened(service)
    hero = made(services)["hero.png"]
    before = service.uploads()
    edit(services, hero, "make the background blue")
    assert service.uploads() == before


def test_what_expired_is_uploaded_once_and_only_when_it_is_needed(
    service: Service, opened: Callable[[Service], Services]
) -> None:
    assets = made(opened(service))
    service.expire_everything()
    before = service.uploads()
    first = edit(opened(service), assets["hero.png"], "make the background green")
    assert service.uploads() == before  # its conversation still has the call that drew it
    edit(opened(service), assets["table.csv"], "add a column with the total")
    masked = edit(opened(service), first, "make it darker", box="100,100,300,300")
    assert service.uploads() == before + 3  # the table; the picture and its mask
    edit(opened(service), assets["table.csv"], "sort the rows by sales")
    edit(opened(service), first, "make it lighter", box="100,100,300,300")
    assert service.uploads() == before + 3
    assert masked.derived_from[1] == first.asset_id


def test_a_service_that_never_heard_of_them_gets_each_asset_once(
    service: Service, opened: Callable[[Service], Services]
) -> None:
    assets = made(opened(service))
    service.forget_everything()
    for instruction in ("make the background blue", "make the background yellow"):
        edit(opened(service), assets["hero.png"], instruction)
        assert service.uploads() == 1
    for instruction in ("add a column with the total", "sort the rows by sales"):
        edit(opened(service), assets["table.csv"], instruction)
        assert service.uploads() == 2


def test_a_second_project_takes_over_what_the_first_one_made(
    service: Service, elsewhere: Service, opened: Callable[[Service], Services]
) -> None:
    first = edit(opened(service), made(opened(service))["hero.png"], "make it brighter")
    edit(opened(elsewhere), first, "make the background purple")
    assert elsewhere.uploads() == 1
    edit(opened(elsewhere), first, "make the background black")
    assert elsewhere.uploads() == 1


def test_a_project_without_file_ids_and_multi_turn_is_edited_on_all_the_same(
    service: Service, opened: Callable[[Service], Services]
) -> None:
    hero = made(opened(service))["hero.png"]
    service.post("settings", {"refuse_image_file_ids": True, "refuse_image_multi_turn": True})
    try:
        edit(opened(service), hero, "make the background orange")
        before = service.uploads()
        edit(opened(service), hero, "make the mug blue", box="10,10,500,500")
        assert service.uploads() == before
    finally:
        service.post("settings", {"refuse_image_file_ids": False, "refuse_image_multi_turn": False})


def test_the_provider_draws_only_where_the_mask_allows(
    service: Service, opened: Callable[[Service], Services], tmp_path: Path
) -> None:
    """The service's own pixels drift a little everywhere, as real ones do; the composite's do not."""
    services = opened(service)
    (tmp_path / "plain.png").write_bytes(png(300, 300, "teal"))
    order = EditOrder(str(tmp_path / "plain.png"), "paint it red", box="50,50,100,100")
    run = begin_edit(order, services, str(uuid.uuid4()))
    manifest = carry_out_all(run)
    composite = manifest.stages[-1].record
    assert composite is not None
    assert composite.data is not None
    assert composite.data["largest_difference_outside"] == 0
    assert composite.data["largest_difference_inside"] > 50
