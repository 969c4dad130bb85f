"""What an earlier release stored, read by this one: a store, its lock and its configs, as 0.1 left them.

`data/store-0.1.tar.gz` was made by release 0.1 with `run card`, `lock card` and `batch card --rows rows.csv`.
"""

from __future__ import annotations

import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from foundry_emulator.server import Ready, running

from assetmill.agents.connecting import EmulatorCredential
from assetmill.agents.foundry import FoundryGateway
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import begin_edit, carry_out_all
from assetmill.settings import load_settings
from assetmill.stage.services import Services
from assetmill.store.opening import open_store
from tests.assetmill.cli.terminal import Terminal

RELEASES = ("0.1",)
PAID_USD = {"0.1": 0.1218}
FINGERPRINTS = {
    "0.1": {
        "palette": "eamsosjhzd76endb4zgd7gkbtkv433coreezpxlj2nuvnsdfkf4q",
        "photo": "vq4bja4mzvomdzfkax3m7jjme3ugrlirrnjdk55csxvwbdgnra5q",
    }
}


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project with the store of a release, as the working directory."""
    with tarfile.open(Path(__file__).with_name("data") / f"store-{request.param}.tar.gz") as packed:
        packed.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return str(request.param)


@pytest.fixture
def assetmill(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_nothing_that_was_made_is_planned_again(release: str, assetmill: Terminal) -> None:
    plan = assetmill.document("plan", "card")
    assert {stage["status"] for stage in plan["stages"]} == {"reuse"}
    fingerprints = {stage["label"]: stage["fingerprint"] for stage in plan["stages"]}
    assert fingerprints.items() >= FINGERPRINTS[release].items()


def test_every_record_is_read_and_every_blob_is_whole(release: str, assetmill: Terminal) -> None:
    assert assetmill("verify") == 0, assetmill.err
    assert "all there and whole" in assetmill.out
    assert assetmill("spend") == 0
    assert f"${PAID_USD[release]:.4f} in all" in assetmill.out
    shown = assetmill.document("show", "latest")
    assert [stage["label"] for stage in shown["stages"]] == ["palette", "photo", "thumb"]
    picture = next(
        asset for asset in assetmill.document("assets")["assets"] if asset["name"] == "A1-thumb.png"
    )
    assert assetmill("lineage", picture["asset_id"]) == 0
    assert "A1.png" in assetmill.out


def test_its_lock_is_brought_into_the_tree_and_holds(
    release: str, assetmill: Terminal, tmp_path: Path
) -> None:
    assert assetmill("sync") == 0, assetmill.err
    assert (tmp_path / "assets/card/A1.png").read_bytes().startswith(b"\x89PNG")
    assert assetmill("check") == 0, (release, assetmill.out)


def test_its_batch_has_every_row(release: str, assetmill: Terminal, tmp_path: Path) -> None:
    (batch,) = [
        folder.name for folder in (tmp_path / ".assetmill/store/v1").rglob("batch_*") if folder.is_dir()
    ]
    assert assetmill("export", batch, "out") == 0, (release, assetmill.err)
    names = sorted(path.name for path in (tmp_path / "out").rglob("*.png"))
    assert names == ["B1-thumb.png", "B1.png", "B2-thumb.png", "B2.png"]


def test_its_pictures_are_edited(release: str, tmp_path: Path) -> None:
    """The service of that time is gone: the picture is uploaded again from the store, and drawn upon."""
    settings = load_settings()
    with running(tmp_path / "emulator") as ready:
        services = Services(settings, open_store(settings.store_url), lambda _, wait: gateway_to(ready, wait))
        try:
            order = EditOrder("latest/photo/A1.png", "make the mug red", quality="low")
            run = begin_edit(order, services, str(uuid.uuid4()))
            assert carry_out_all(run).status == "completed", release
        finally:
            services.close()
    assert run.results["edit"].derived_from


def gateway_to(ready: Ready, wait: Callable[[float], None]) -> FoundryGateway:
    credential = EmulatorCredential(ready.identity_endpoint, ready.identity_header)
    return FoundryGateway(ready.endpoint, credential, wait=wait, poll_s=0.05, ca=ready.ca)
