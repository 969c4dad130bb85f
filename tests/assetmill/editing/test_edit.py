"""An edit from the order to its manifest, on doubles."""

from __future__ import annotations

import datetime
import io
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from assetmill.agents.gateway import ResponseRequest
from assetmill.agents.lifecycles import Lifecycle
from assetmill.agents.told import keep_told
from assetmill.editing.orders import EditOrder, with_verb
from assetmill.editing.retouch.canvas import save_png
from assetmill.editing.run import EditRun, begin_edit, carry_out_all, is_done
from assetmill.errors import InvalidInput, OutcomeUnknown, Rejected
from assetmill.records import AssetRecord, RunManifest
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import Body, ScriptedGateway, always, image_item, png
from tests.millworks import services_on, settings_in


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway(always(image_item(png(1024, 1024, "red"))))


@pytest.fixture
def services(tmp_path: Path, backend: MemoryStore, gateway: ScriptedGateway) -> Services:
    return quick(services_on(settings_in(tmp_path), backend, gateway))


def quick(services: Services) -> Services:
    services.wait = lambda seconds: None  # time passes at once
    return services


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.png"
    path.write_bytes(png(96, 96, "teal"))
    return str(path)


def edited(services: Services, order: EditOrder) -> tuple[EditRun, RunManifest]:
    run = begin_edit(order, services, str(uuid.uuid4()))
    return run, carry_out_all(run)


def result(services: Services, order: EditOrder) -> AssetRecord:
    run, manifest = edited(services, order)
    assert manifest.status == "completed", [entry.error for entry in manifest.stages]
    return run.results[min(run.results)]


def names(manifest: RunManifest) -> list[tuple[str, str]]:
    return [(entry.stage, entry.status) for entry in manifest.stages]


def pixels(services: Services, asset: AssetRecord) -> Image.Image:
    return Image.open(io.BytesIO(services.blobs.get(asset.blob))).convert("RGB")


def test_an_edit_is_a_new_asset_with_its_parent(
    services: Services, photo: str, gateway: ScriptedGateway
) -> None:
    run, manifest = edited(services, EditOrder(photo, "make it red"))
    assert names(manifest) == [("import", "done"), ("edit", "done"), ("changes", "done")]
    made = run.results["edit"]
    assert made.derived_from == (run.subject.asset.asset_id,)
    assert made.prompt == "Edit the picture: make it red"
    assert services.blobs.get(made.blob) == png(1024, 1024, "red")
    assert gateway.posts[0].input[0]["content"][0]["text"] == "Edit the picture: make it red"


def test_the_same_edit_again_is_free(services: Services, photo: str, gateway: ScriptedGateway) -> None:
    first = result(services, EditOrder(photo, "make it red"))
    run = begin_edit(EditOrder(photo, "make it red"), services, str(uuid.uuid4()))
    assert is_done(run)
    manifest = carry_out_all(run)
    assert names(manifest) == [("edit", "reused"), ("changes", "reused")]
    assert manifest.spent_usd == 0.0
    assert run.results["edit"] == first
    assert len(gateway.posts) == 1


def test_an_edit_that_failed_twice_is_paid_again_only_when_somebody_says_so(
    services: Services, photo: str, gateway: ScriptedGateway
) -> None:
    draw, gateway.script = gateway.script, always()
    for _ in range(3):
        edited(services, EditOrder(photo, "make it red"))
    assert len(gateway.posts) == 2
    gateway.script = draw
    assert names(edited(services, EditOrder(photo, "make it red"))[1])[0] == ("edit", "failed")
    run = begin_edit(EditOrder(photo, "make it red"), services, str(uuid.uuid4()), pay_again=True)
    assert names(carry_out_all(run))[0] == ("edit", "done")
    assert len(gateway.posts) == 3


def test_asking_for_more_keeps_the_first(services: Services, photo: str, gateway: ScriptedGateway) -> None:
    edited(services, EditOrder(photo, "make it red"))
    run, manifest = edited(services, EditOrder(photo, "make it red", replicas=3))
    assert sorted(run.results) == ["edit", "edit[replica=2]", "edit[replica=3]"]
    assert [entry.status for entry in manifest.stages if entry.stage == "edit"] == ["reused", "done", "done"]
    assert len(gateway.posts) == 3


def test_without_a_mask_the_changed_region_is_reported(services: Services, photo: str) -> None:
    _, manifest = edited(services, EditOrder(photo, "make it red"))
    report = manifest.stages[-1].record
    assert report is not None
    assert report.data is not None
    assert report.data["changed_percent"] == 100.0
    assert [asset.role for asset in report.outputs] == ["report"]


@pytest.mark.parametrize("where", ["box", "file", "alpha"])
def test_outside_a_mask_the_original_stays(services: Services, tmp_path: Path, where: str) -> None:
    picture = Image.new("RGBA", (96, 96), "teal")
    if where == "alpha":
        picture.paste((0, 0, 0, 0), (20, 20, 60, 60))
    (tmp_path / "cut.png").write_bytes(save_png(picture))
    mask = Image.new("L", (96, 96), 0)
    mask.paste(255, (20, 20, 60, 60))
    (tmp_path / "mask.png").write_bytes(save_png(mask))
    order = EditOrder(str(tmp_path / "cut.png"), "make it red")
    order = {
        "box": replace(order, box="20,20,40,40"),
        "file": replace(order, mask=str(tmp_path / "mask.png")),
        "alpha": replace(order, is_masked_by_alpha=True),
    }[where]
    run, manifest = edited(services, order)
    composite = manifest.stages[-1].record
    assert composite is not None
    assert composite.data == {
        "largest_difference_outside": 0,
        "largest_difference_inside": 255,
        "feather_px": 8,
    }
    made = run.results["edit"]
    outside = ImageChops.difference(pixels(services, made), picture.convert("RGB"))
    outside.paste(0, (20, 20, 60, 60))
    assert outside.getbbox() is None
    assert pixels(services, made).getpixel((40, 40)) == (255, 0, 0)


def test_the_providers_bytes_are_kept_beside_the_composite(services: Services, photo: str) -> None:
    run, manifest = edited(services, EditOrder(photo, "make it red", box="10,10,50,50"))
    provider = next(asset for asset in manifest.assets() if asset.stage == "edit")
    assert services.blobs.get(provider.blob) == png(1024, 1024, "red")
    composite = run.results["edit"]
    assert composite.derived_from[:2] == (provider.asset_id, run.subject.asset.asset_id)
    assert (composite.width, composite.height) == (96, 96)
    assert (provider.name, composite.name) == ("photo-provider.png", "photo-edit.png")


def test_a_masked_jpeg_of_another_shape_keeps_its_pixels_and_becomes_a_png(
    services: Services, tmp_path: Path, gateway: ScriptedGateway
) -> None:
    """The model draws 3:2 only: the picture is laid on a sheet of that shape and cut out of it again."""
    original = Image.effect_noise((120, 40), 80).convert("RGB")
    original.save(tmp_path / "banner.jpg", quality=80)
    gateway.script = always(image_item(png(1536, 1024, "red")))
    run, manifest = edited(
        services,
        EditOrder(str(tmp_path / "banner.jpg"), "make it red", box="5,5,30,30", model="gpt-image-1.5"),
    )
    assert [entry.stage for entry in manifest.stages] == [
        "import",
        "frame",
        "mask",
        "mask",
        "edit",
        "composite",
    ]
    made = run.results["edit"]
    assert (made.width, made.height, made.blob.media_type) == (120, 40, "image/png")
    before = Image.open(tmp_path / "banner.jpg").convert("RGB")
    outside = ImageChops.difference(pixels(services, made), before)
    outside.paste(0, (5, 5, 35, 35))
    assert outside.getbbox() is None


def test_a_day_at_the_real_service_stops_no_edit_on_the_emulator(services: Services, photo: str) -> None:
    order = EditOrder(photo, "make it red", model="gpt-image-1")
    assert begin_edit(order, services, str(uuid.uuid4())).calls


def test_an_edit_by_a_model_that_is_gone_is_refused_unless_the_endpoint_told_otherwise(
    services: Services, photo: str
) -> None:
    foundry = services.settings.foundry.model_copy(update={"endpoint": "https://f.example/api/projects/p"})
    services.settings = services.settings.model_copy(update={"foundry": foundry})
    order = EditOrder(photo, "make it red", model="gpt-image-1")
    with pytest.raises(InvalidInput, match="was retired on 2026-10-23"):
        begin_edit(order, services, str(uuid.uuid4()))
    later = Lifecycle("gpt-image-1", "gpt-image-1", "1", datetime.date(2099, 1, 1), is_gone=False, source="s")
    keep_told(services.settings.home, foundry.endpoint, [later], datetime.date(2026, 11, 28))
    assert begin_edit(order, services, str(uuid.uuid4())).calls


def test_an_edit_of_an_edit_of_an_edit_goes_on_from_the_stored_bytes(
    services: Services, photo: str, gateway: ScriptedGateway
) -> None:
    asset = result(services, EditOrder(photo, "make it red"))
    for turn in range(2):
        gateway.files.clear()
        asset = result(services, EditOrder(asset.asset_id, f"turn it {turn}", box=f"{turn},1,9,9"))
    assert asset.name == "photo-edit.png"
    assert len(gateway.posts) == 3


def test_an_exported_file_is_found_by_its_digest(services: Services, photo: str, tmp_path: Path) -> None:
    asset = result(services, EditOrder(photo, "make it red"))
    exported = tmp_path / "my own name.png"
    exported.write_bytes(services.blobs.get(asset.blob))
    run, manifest = edited(services, EditOrder(str(exported), "make it blue"))
    assert run.subject.asset == asset
    assert "import" not in [entry.stage for entry in manifest.stages]


def test_references_are_given_after_the_picture(
    services: Services, photo: str, tmp_path: Path, gateway: ScriptedGateway
) -> None:
    (tmp_path / "style.png").write_bytes(png(20, 20, "gold"))
    run, _ = edited(services, EditOrder(photo, "use this style", references=(str(tmp_path / "style.png"),)))
    parts = [part["type"] for part in gateway.posts[0].input[0]["content"]]
    assert parts == ["input_text", "input_image", "input_image"]
    assert len(run.results["edit"].derived_from) == 2


def test_a_cut_out_stays_a_cut_out(services: Services, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(save_png(Image.new("RGBA", (64, 64), (255, 0, 0, 0))))
    run = begin_edit(EditOrder(str(tmp_path / "cut.png"), "make it red"), services, str(uuid.uuid4()))
    assert run.calls["edit"].tools[0]["background"] == "transparent"


def writes(name: str, data: bytes, gateway: ScriptedGateway) -> Callable[[ResponseRequest], list[Body]]:
    def script(_: ResponseRequest) -> list[Body]:
        gateway.containers["cntr_1"]["cfile_1"] = (name, data)
        return [{"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1", "code": ""}]

    return script


@pytest.mark.parametrize(
    ("name", "kind"), [("sales.csv", "data"), ("notes.md", "text"), ("report.pdf", "document")]
)
def test_what_is_no_picture_is_edited_with_code(
    services: Services, tmp_path: Path, gateway: ScriptedGateway, name: str, kind: str
) -> None:
    (tmp_path / name).write_bytes(b"%PDF-1.4 old" if kind == "document" else b"old,text\n1,2\n")
    stem, _, extension = name.partition(".")
    gateway.script = writes(f"{stem}-edit.{extension}", b"new", gateway)
    made = result(services, EditOrder(str(tmp_path / name), "change it"))
    assert (made.name, made.kind) == (f"{stem}-edit.{extension}", kind)
    assert services.blobs.get(made.blob) == b"new"
    assert gateway.uploads == [name]


def test_a_failed_edit_is_sealed_with_its_reason(
    services: Services, photo: str, gateway: ScriptedGateway
) -> None:
    def refuse(_: ResponseRequest) -> None:
        raise Rejected("no such model", "model_not_found", 400)

    gateway.before = refuse
    run, manifest = edited(services, EditOrder(photo, "make it red", replicas=2))
    assert manifest.status == "failed"
    assert run.results == {}
    assert [entry.status for entry in manifest.stages] == ["done", "failed", "failed"]
    assert manifest.spent_usd == 0.0


def test_a_crash_between_drawing_and_putting_back_pays_once(
    services: Services, photo: str, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    order = EditOrder(photo, "make it red", box="1,1,20,20")
    run = begin_edit(order, services, str(uuid.uuid4()))
    gateway.after = lambda _: (_ for _ in ()).throw(OutcomeUnknown("the connection was reset"))
    run.services.handles.forget()
    first = run.carry_out("edit")
    other = quick(services_on(services.settings, backend, gateway))
    again = begin_edit(order, other, str(uuid.uuid4()))
    assert again.carry_out("edit") == first
    assert len(gateway.posts) == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"instruction": " "}, "instruction is empty"),
        ({"box": "1,1,5,5", "is_masked_by_alpha": True}, "give one of"),
        ({"replicas": 0}, "1 to 16"),
        ({"references": ("x",) * 16}, "at most 15"),
        ({"feather_px": 999}, "0 to 256"),
        ({"box": "0,0,500,500"}, "outside the picture"),
        ({"model": "no-model"}, "unknown image model"),
        ({"size": "7x7"}, "does not draw 7x7"),
        ({"quality": "superb"}, "no quality 'superb'"),
        ({"mask": "no-such-file.png"}, "no asset 'no-such-file.png'"),
    ],
)
def test_an_order_that_cannot_be_carried_out_spends_nothing(
    services: Services, photo: str, gateway: ScriptedGateway, changes: dict[str, object], complaint: str
) -> None:
    order = replace(EditOrder(photo, "make it red"), **changes)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=complaint):
        begin_edit(order, services, str(uuid.uuid4()))
    assert gateway.posts == []


def test_a_mask_is_refused_for_what_is_no_picture(services: Services, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n")
    with pytest.raises(InvalidInput, match="no picture: mask"):
        begin_edit(EditOrder(str(tmp_path / "a.csv"), "x", box="1,1,2,2"), services, str(uuid.uuid4()))


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("make it red", "Edit the picture: make it red"),
        ("Edit it: red", "Edit it: red"),
        ("  editing only the sky ", "editing only the sky"),
    ],
)
def test_the_verb_is_added_when_it_is_missing(said: str, sent: str) -> None:
    assert with_verb(said, "picture") == sent


def test_a_budget_holds_for_all_results_together(
    services: Services, photo: str, gateway: ScriptedGateway
) -> None:
    order = EditOrder(photo, "make it red", replicas=3)
    run = begin_edit(order, services, str(uuid.uuid4()), budget_usd=0.0001)
    manifest = carry_out_all(run)
    assert [entry.status for entry in manifest.stages] == [
        "done",
        "over_budget",
        "over_budget",
        "over_budget",
    ]
    assert manifest.spent_usd == 0.0
    assert gateway.posts == []
