"""Edits by an image model that is called itself."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from assetmill.editing.orders import EditOrder
from assetmill.editing.run import begin_edit, carry_out_all
from assetmill.errors import InvalidInput
from assetmill.records import RunManifest
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, always, image_item, png
from tests.millworks import services_on, settings_in


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway(always(image_item(png(1024, 1024, "red"), "")))


@pytest.fixture
def services(tmp_path: Path, backend: MemoryStore, gateway: ScriptedGateway) -> Services:
    made = services_on(settings_in(tmp_path), backend, gateway)
    made.wait = lambda seconds: None  # time passes at once
    return made


def edit(services: Services, folder: Path, **order: Any) -> RunManifest:
    path = folder / "photo.png"
    path.write_bytes(png(96, 96, "teal"))
    run = begin_edit(EditOrder(asset=str(path), **order), services, str(uuid.uuid4()))
    return carry_out_all(run)


@pytest.mark.parametrize(("model", "size"), [("MAI-Image-2.6", None), ("FLUX.2-pro", (256, 256))])
def test_the_model_gets_the_picture_and_the_words(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, model: str, size: tuple[int, int] | None
) -> None:
    manifest = edit(services, tmp_path, instruction="make it red", model=model)
    assert manifest.status == "completed", [entry.error for entry in manifest.stages]
    (request,) = gateway.draws
    assert gateway.posts == []
    assert request.prompt == "Edit the picture: make it red"
    assert (request.deployment, request.size, len(request.pictures)) == (model, size, 1)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"quality": "high"}, "quality: MAI-Image-2.6 is called itself and takes none"),
        ({"size": "1024x1024"}, "size: MAI-Image-2.6 is called itself and takes none"),
    ],
)
def test_what_it_is_not_told_is_refused_before_a_spend(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, order: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        edit(services, tmp_path, instruction="make it red", model="MAI-Image-2.6", **order)
    assert gateway.draws == []
