"""Files that somebody brings in: taken under a safe name, refused by theirs."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from assetmill.editing.adopting import adopt_all
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import begin_edit
from assetmill.errors import InvalidInput, NotFound
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, always, image_item, png
from tests.millworks import services_on, settings_in


@pytest.fixture
def services(tmp_path: Path, backend: MemoryStore) -> Services:
    return services_on(settings_in(tmp_path), backend, ScriptedGateway(always(image_item(png()))))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.png", png(64, 64)[:-40]),
        ("not.png", b"<html>no picture</html>"),
        ("empty.txt", b""),
        ("short.jpg", b"\xff\xd8\xff\xe0nothing"),
        ("bad.webp", b"RIFF\x10\x00\x00\x00WEBPVP8 xxxx"),
    ],
)
def test_a_damaged_file_is_refused_by_name(
    services: Services, tmp_path: Path, name: str, data: bytes
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidInput, match=name):
        adopt_all([tmp_path / name], services, str(uuid.uuid4()))


@pytest.mark.parametrize(
    "name", ["CON", "aux.png", "é" * 100 + ".png", "🙂.png", ".hidden", "a b;rm -rf.png"]
)
def test_any_file_name_becomes_a_safe_one(services: Services, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(png(8, 8) if name.endswith(".png") else b"text")
    manifest = adopt_all([path], services, str(uuid.uuid4()))
    made = manifest.assets()[0]
    assert made.name.isascii()
    assert not made.name.startswith(".")
    assert made.name.split(".")[0].lower() not in {"con", "aux"}
    assert len(made.name) <= 96


def test_a_drawing_with_a_script_is_kept_as_a_document(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "logo.svg"
    path.write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    made = adopt_all([path], services, str(uuid.uuid4())).assets()[0]
    assert (made.kind, made.blob.media_type, made.role) == ("document", "image/svg+xml", "import")


def test_importing_again_finds_the_same_asset(services: Services, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(8, 8))
    (tmp_path / "b.png").write_bytes(png(8, 8))
    first = adopt_all([tmp_path / "a.png"], services, str(uuid.uuid4()))
    again = adopt_all([tmp_path / "b.png"], services, str(uuid.uuid4()))
    assert again.assets() == first.assets()
    assert again.stages[0].status == "reused"


def test_a_folder_or_a_missing_file_is_no_import(services: Services, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(InvalidInput):
            adopt_all([path], services, str(uuid.uuid4()))
    with pytest.raises(NotFound):
        begin_edit(EditOrder("nothing", "x"), services, str(uuid.uuid4()))
