"""Edits of the pictures that people have: taken and told what is lost, or refused before they are paid."""

from __future__ import annotations

import io
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assetmill.agents.gateway import ResponseRequest
from assetmill.cli.edit import lost, summary
from assetmill.editing.adopting import adopt_all
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import EditRun, begin_edit, carry_out_all
from assetmill.errors import InvalidInput
from assetmill.looking import Look
from assetmill.records import RunManifest
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.assetmill.test_taking import level_png
from tests.doubles import ScriptedGateway, always, image_item, png
from tests.millworks import services_on, settings_in
from tests.photos import MOVIE, display_p3, encoded, heights, moving

SCENE = Image.radial_gradient("L").resize((96, 96)).convert("RGB")


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway(always(image_item(png(1024, 1024, "#ff0000"))))


@pytest.fixture
def services(tmp_path: Path, backend: MemoryStore, gateway: ScriptedGateway) -> Services:
    made = services_on(settings_in(tmp_path), backend, gateway)
    made.wait = lambda seconds: None  # time passes at once
    return made


def edited(services: Services, path: Path, **options: Any) -> tuple[EditRun, RunManifest]:
    run = begin_edit(EditOrder(str(path), "make it red", **options), services, str(uuid.uuid4()))
    manifest = carry_out_all(run)
    assert manifest.status == "completed", [entry.error for entry in manifest.stages]
    return run, manifest


def written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def given(gateway: ScriptedGateway) -> Image.Image:
    """What the service got of the picture."""
    return Image.open(io.BytesIO(next(iter(gateway.files.values()))))


def test_a_motion_photo_is_kept_whole_and_sent_without_its_movie(
    services: Services, tmp_path: Path, gateway: ScriptedGateway
) -> None:
    photo = encoded(SCENE, "JPEG") + MOVIE
    run, manifest = edited(services, written(tmp_path, "motion.jpg", photo))
    assert services.blobs.get(run.subject.asset.blob) == photo
    assert MOVIE not in next(iter(gateway.files.values()))
    assert given(gateway).size == (96, 96)
    assert lost(manifest) == []


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("moving.gif", moving("red", "lime", "blue", size=(96, 96)), "of 3 frames the first alone is left"),
        ("heights.png", heights(0, 60_000, (96, 96)), "16 bits a channel become 8"),
        ("print.jpg", encoded(SCENE.convert("CMYK"), "JPEG"), "CMYK becomes RGB"),
        ("phone.png", encoded(SCENE, icc_profile=display_p3()), "profile 'DiP3 built-in'"),
    ],
    ids=["frames", "depth", "cmyk", "profile"],
)
def test_what_an_edit_loses_is_said_and_the_service_gets_what_is_seen(
    services: Services, tmp_path: Path, gateway: ScriptedGateway, *, name: str, data: bytes, words: str
) -> None:
    _, manifest = edited(services, written(tmp_path, name, data))
    (said,) = lost(manifest)
    assert words in said
    assert f"lost: {said}" in summary(manifest, ["red.png"])
    sent = given(gateway)
    assert (sent.format, sent.mode, sent.info.get("icc_profile")) == ("PNG", "RGB", None)
    seen = next(Look(data).frames(levels=(0, 65535))).picture.convert("RGB")
    assert np.abs(np.asarray(sent, dtype=int) - np.asarray(seen, dtype=int)).max() <= 1


def test_a_plain_picture_loses_nothing_and_is_sent_as_it_is(
    services: Services, tmp_path: Path, gateway: ScriptedGateway
) -> None:
    photo = encoded(SCENE)
    _, manifest = edited(services, written(tmp_path, "plain.png", photo))
    assert lost(manifest) == []
    assert next(iter(gateway.files.values())) == photo


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("moving.gif", moving("red", "lime", size=(96, 96)), "of 2 frames"),
        ("heights.png", heights(0, 60_000, (96, 96)), "16 bits"),
        ("print.jpg", encoded(SCENE.convert("CMYK"), "JPEG"), "CMYK"),
    ],
    ids=["frames", "depth", "cmyk"],
)
def test_a_mask_that_could_not_keep_its_word_is_refused(
    services: Services, tmp_path: Path, gateway: ScriptedGateway, *, name: str, data: bytes, words: str
) -> None:
    with pytest.raises(InvalidInput, match=f"{words}.*leave the mask out"):
        edited(services, written(tmp_path, name, data), box="10,10,50,50")
    assert gateway.conversations == {}


def test_outside_the_mask_nothing_changes_in_the_picture_s_own_colours(
    services: Services, tmp_path: Path
) -> None:
    """Inside, the red that the service drew in sRGB has the numbers of the same red in the profile."""
    photo = encoded(SCENE, icc_profile=display_p3())
    run, manifest = edited(services, written(tmp_path, "phone.png", photo), box="20,20,50,50")
    made = services.blobs.get(run.results["edit"].blob)
    with Image.open(io.BytesIO(made)) as result:
        assert result.info["icc_profile"] == display_p3()
        inside, outside = result.getpixel((45, 45)), np.asarray(result.convert("RGB"))[80:]
    assert (outside == np.asarray(SCENE)[80:]).all()
    assert inside == pytest.approx((234, 51, 35), abs=1)
    assert Look(made).first().getpixel((45, 45)) == pytest.approx((255, 0, 0, 255), abs=1)
    assert lost(manifest) == []


def test_an_edit_without_a_mask_is_compared_in_the_same_colours(services: Services, tmp_path: Path) -> None:
    red = encoded(Image.new("RGB", (96, 96), (234, 51, 35)), icc_profile=display_p3())
    _, manifest = edited(services, written(tmp_path, "red.png", red))
    (changes,) = [entry.record.data for entry in manifest.stages if entry.record and entry.stage == "changes"]
    assert changes
    assert changes["changed_percent"] == 0.0


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("thin.png", level_png(30_001, 1), "scale it down or cut it first"),
        ("huge.png", level_png(16_320, 12_240), "at most 50 megapixels"),
        ("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is SVG, .* convert it to PNG"),
        ("scan.bmp", encoded(SCENE, "BMP"), "it is BMP, .* convert it to PNG"),
        ("scan.tif", encoded(SCENE, "TIFF"), "it is TIFF"),
        ("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it is HEIC"),
        ("fake.png", encoded(SCENE, "BMP"), "it is BMP"),
    ],
    ids=["thin", "huge", "svg", "bmp", "tiff", "heic", "misnamed"],
)
def test_what_cannot_be_edited_is_refused_before_it_is_paid(
    services: Services, tmp_path: Path, gateway: ScriptedGateway, *, name: str, data: bytes, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        edited(services, written(tmp_path, name, data))
    assert gateway.conversations == {}


def test_references_and_masks_are_examined_like_imports(
    services: Services, tmp_path: Path, gateway: ScriptedGateway
) -> None:
    photo = written(tmp_path, "photo.png", encoded(SCENE))
    cut = written(tmp_path, "cut.png", encoded(SCENE)[:-60])
    logo = written(tmp_path, "logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    with pytest.raises(InvalidInput, match=r"'cut\.png' is not a whole picture"):
        begin_edit(EditOrder(str(photo), "red", references=(str(cut),)), services, str(uuid.uuid4()))
    with pytest.raises(InvalidInput, match=r"reference 'logo\.svg' is image/svg\+xml"):
        begin_edit(EditOrder(str(photo), "red", references=(str(logo),)), services, str(uuid.uuid4()))
    with pytest.raises(InvalidInput, match=r"mask 'cut\.png' is not a whole picture"):
        edited(services, photo, mask=str(cut))
    assert gateway.conversations == {}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_an_import_keeps_every_byte_of_a_picture_with_something_behind_it(
    services: Services, tmp_path: Path, kind: str
) -> None:
    data = encoded(SCENE, kind) + MOVIE
    path = written(tmp_path, f"photo.{kind.lower()}", data)
    (asset,) = adopt_all([path], services, str(uuid.uuid4())).assets()
    assert services.blobs.get(asset.blob) == data
    assert (asset.width, asset.height) == (96, 96)


def test_what_is_lost_is_told_before_it_is_paid(
    services: Services, tmp_path: Path, gateway: ScriptedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "assetmill.stage")
    path = written(tmp_path, "moving.gif", moving("red", "lime", size=(96, 96)))
    begin_edit(EditOrder(str(path), "make it red"), services, str(uuid.uuid4()))
    assert "of 2 frames the first alone is left" in caplog.text
    assert gateway.posts == []


def test_a_call_at_work_when_its_edit_is_sealed_has_an_unknown_cost(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    class Killed(BaseException):
        """A process is about to go: nothing of it comes after."""

    def die(_: ResponseRequest) -> None:
        raise Killed

    gateway.after = die
    path = tmp_path / "photo.png"
    path.write_bytes(png(1024, 1024))
    run = begin_edit(EditOrder(str(path), "make it red"), services, str(uuid.uuid4()))
    (label,) = run.calls
    with pytest.raises(Killed):
        run.carry_out(label)
    assert run.seal().spent_usd is None
