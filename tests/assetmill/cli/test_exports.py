from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.cli.exports import export_assets, sidecar_names, wanted, write_sidecar
from assetmill.errors import InvalidInput
from assetmill.records import AssetRecord
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, chain=CHAIN), MemoryStore(), painter())
    yield services
    services.close()


def made(services: Services) -> list[AssetRecord]:
    return wanted(run_here(services, "chain"))


def test_files_hold_the_stored_bytes(services: Services, tmp_path: Path) -> None:
    assets = made(services)
    paths = export_assets(assets, services.blobs, tmp_path / "out")
    assert [path.name for path in paths] == ["first.png", "second.png"]
    assert [path.read_bytes() for path in paths] == [services.blobs.get(asset.blob) for asset in assets]


def test_unchanged_files_cost_no_request(services: Services, tmp_path: Path) -> None:
    assets = made(services)
    export_assets(assets, services.blobs, tmp_path / "out")
    before = services.backend.requests
    export_assets(assets, services.blobs, tmp_path / "out")
    assert services.backend.requests == before


def test_a_file_that_was_lost_or_cut_is_written_again(services: Services, tmp_path: Path) -> None:
    assets = made(services)
    first, second = export_assets(assets, services.blobs, tmp_path / "out")
    first.unlink()
    second.write_bytes(b"cut")
    paths = export_assets(assets, services.blobs, tmp_path / "out")
    assert [path.read_bytes() for path in paths] == [services.blobs.get(asset.blob) for asset in assets]


def test_hostile_and_equal_names_stay_in_the_folder_and_apart(services: Services, tmp_path: Path) -> None:
    asset = made(services)[0]
    names = ["../../etc/passwd", "a/b.png", "A/B.png", "..", ".assets.json", "con.png", "x" * 300]
    # One name in the two forms that Unicode has for it, and in the one that file systems make of both.
    names += ["caf\u00e9.png", "cafe\u0301.png", "CAFE.png"]
    assets = [asset.model_copy(update={"name": name}) for name in names]
    folder = tmp_path / "out"
    paths = export_assets(assets, services.blobs, folder)
    assert {path.parent for path in paths} == {folder}
    assert len({path.name.lower() for path in paths}) == len(names)
    assert all(path.resolve().parent == folder.resolve() for path in paths)


def test_a_link_of_that_name_is_replaced_and_not_followed(services: Services, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "first.png").symlink_to(precious)
    export_assets(made(services), services.blobs, tmp_path / "out")
    assert precious.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_bad_input(services: Services, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot write to"):
        export_assets(made(services), services.blobs, tmp_path / "file")


def test_a_persons_own_file_is_never_written_over(services: Services, tmp_path: Path) -> None:
    assets = made(services)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "First.png").write_bytes(b"mine")
    for _ in range(2):
        first, second = export_assets(assets, services.blobs, folder)
        assert (first.name, second.name) == ("first-2.png", "second.png")
    assert (folder / "First.png").read_bytes() == b"mine"


def test_a_sidecar_takes_no_name_of_a_file(services: Services, tmp_path: Path) -> None:
    first = made(services)[0]
    other = first.model_copy(update={"name": "first.png.json"})
    folder = tmp_path / "out"
    paths = export_assets([first, other], services.blobs, folder)
    (folder / "first.png.xmp").write_text("my own notes")
    names = sidecar_names([path.name for path in paths], ("json", "xmp"), folder)
    assert names["first.png", "json"] == "first.png-2.json"
    assert names["first.png", "xmp"] == "first.png-2.xmp"
    assert len({name.lower() for name in names.values()} | {path.name for path in paths}) == 6
    write_sidecar("json", first, folder / names["first.png", "json"], services)
    again = sidecar_names([path.name for path in paths], ("json", "xmp"), folder)
    assert again == names
    assert paths[1].read_bytes() == services.blobs.get(other.blob)
