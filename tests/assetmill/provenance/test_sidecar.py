"""What lies beside an exported file, and that derivatives are signed where a certificate is set."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from assetmill.cli.exports import export_assets, write_sidecar
from assetmill.editing.adopting import adopt_all
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import begin_edit, carry_out_all
from assetmill.provenance.credentials import read_credential
from assetmill.provenance.sources import IPTC
from assetmill.records import AssetRecord
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.assetmill.provenance.authority import make_authority
from tests.doubles import ScriptedGateway, always, image_item, png
from tests.millworks import CHAIN, run_here, services_on, settings_in

COMPOSITE = IPTC + "compositeWithTrainedAlgorithmicMedia"
EXT = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    backend = MemoryStore()
    gateway = ScriptedGateway(always(image_item(png(1024, 1024, "red"))))
    settings = settings_in(tmp_path, chain=CHAIN)
    settings = settings.model_copy(update={"provenance": make_authority(tmp_path)})
    services = services_on(settings, backend, gateway)
    services.wait = lambda seconds: None
    yield services
    backend.close()


def beside(
    services: Services, asset: AssetRecord, folder: Path
) -> tuple[dict[str, object], ElementTree.Element]:
    (path,) = export_assets([asset], services.blobs, folder)
    found = json.loads(write_sidecar("json", asset, path.with_suffix(".json"), services).read_bytes())
    beside = write_sidecar("xmp", asset, path.with_suffix(".xmp"), services)
    xmp = ElementTree.fromstring(beside.read_text(encoding="utf-8"))  # noqa: S314
    assert path.read_bytes() == services.blobs.get(asset.blob)
    return found, xmp


def source_in(xmp: ElementTree.Element) -> str | None:
    return next((node.attrib[EXT] for node in xmp.iter() if EXT in node.attrib), None)


def test_what_was_drawn_says_so_and_its_edit_says_more(services: Services, tmp_path: Path) -> None:
    first, second = run_here(services, "chain").assets()
    found, xmp = beside(services, first, tmp_path / "out")
    assert source_in(xmp) == found["digital_source_type"] == IPTC + "trainedAlgorithmicMedia"
    found, xmp = beside(services, second, tmp_path / "out")
    assert source_in(xmp) == found["digital_source_type"] == COMPOSITE
    assert [one.text for one in xmp.iter() if one.text and one.text.startswith("ast_")] == [first.asset_id]
    assert found["c2pa"] == {
        "state": "absent",
        "is_trusted": False,
        "signer": "",
        "generator": "",
        "problems": [],
    }


def test_xmp_tells_no_prompt(services: Services, tmp_path: Path) -> None:
    first = run_here(services, "chain").assets()[0]
    _, xmp = beside(services, first, tmp_path / "out")
    assert b"teal mug" not in ElementTree.tostring(xmp)


def test_of_a_persons_own_file_nothing_is_claimed(services: Services, tmp_path: Path) -> None:
    (tmp_path / "own.png").write_bytes(png(colour="blue"))
    (asset,) = adopt_all([tmp_path / "own.png"], services, str(uuid.uuid4())).assets()
    found, xmp = beside(services, asset, tmp_path / "out")
    assert found["digital_source_type"] is None
    assert source_in(xmp) is None


def test_a_composite_is_signed_with_its_parents(services: Services, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(png(96, 96, "teal"))
    run = begin_edit(
        EditOrder(str(tmp_path / "photo.png"), "a moon", box="8,8,40,40"), services, str(uuid.uuid4())
    )
    manifest = carry_out_all(run)
    assert manifest.status == "completed"
    (made,) = run.results.values()
    data = services.blobs.get(made.blob)
    assert made.stage == "composite"
    assert read_credential(data, services.settings.provenance).is_trusted
    drawn = next(one for one in manifest.assets() if one.made_by and one.role == "output")
    assert services.blobs.get(drawn.blob) == png(1024, 1024, "red")  # the provider's bytes, unaltered
    found, _ = beside(services, made, tmp_path / "out")
    assert found["digital_source_type"] == COMPOSITE
