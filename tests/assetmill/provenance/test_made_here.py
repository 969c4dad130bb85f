"""What content credentials tell of pictures that local stages made."""

from __future__ import annotations

import io
from typing import Any, NamedTuple, cast

import pytest

from assetmill.provenance.credentials import read_credential
from assetmill.settings import Provenance
from assetmill.store.memory import MemoryStore
from tests.assetmill.provenance.authority import make_authority
from tests.doubles import png
from tests.lettering import NOTO
from tests.millworks import painter, run_here, services_on, settings_in

MADE = """
name: made
stages:
  - name: hero
    prompt: Draw a mug.
    tools: [{type: image_generation, quality: low}]
    outputs: [{name: hero.png}]
  - name: poster
    inputs: [{file: logo.png, name: logo}]
    make:
      - from: hero
        resize: 600x315
        layers:
          - {text: Light, box: 5% 5% 60% 30%, font: NotoSans, size: 20..40}
          - {picture: logo, at: bottom right, width: 10%}
        save: poster.png
  - name: small
    make:
      - {from: poster, resize: 50%, save: small.webp}
  - name: own
    inputs: [{file: logo.png, name: logo}]
    make:
      - {from: logo, crop: "1:1", save: mark.png}
      - {canvas: 64x32, background: "#112233", save: ground.png}
"""
AI = "compositeWithTrainedAlgorithmicMedia"
FONTS = f"[NotoSans]\nfile = '{NOTO / 'NotoSans-Regular.ttf'}'\nlicence = 'OFL-1.1'\n"


class Told(NamedTuple):
    ingredients: list[tuple[str, str]]
    actions: list[str]
    sources: set[str]
    state: tuple[str, bool]


def told_of(data: bytes, media_type: str, authority: Provenance) -> Told:
    import c2pa

    with c2pa.Reader(media_type, io.BytesIO(data)) as reader:
        manifest = cast(dict[str, Any], reader.get_active_manifest())
    (done,) = (one["data"] for one in manifest["assertions"] if one["label"].startswith("c2pa.actions"))
    found = read_credential(data, authority)
    return Told(
        [(one["title"], one["relationship"]) for one in manifest.get("ingredients", [])],
        [one["action"] for one in done["actions"]],
        {
            str(one["digitalSourceType"]).rpartition("/")[2]
            for one in done["actions"]
            if "digitalSourceType" in one
        },
        (found.state, found.is_trusted),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    folder = tmp_path_factory.mktemp("made")
    authority = make_authority(tmp_path_factory.mktemp("authority"))
    settings = settings_in(folder, made=MADE).model_copy(update={"provenance": authority})
    (settings.configs / "fonts.toml").write_text(FONTS)
    (settings.configs / "pipelines" / "logo.png").write_bytes(png(40, 20, "red"))
    services = services_on(settings, MemoryStore(), painter())
    manifest = run_here(services, "made")
    assert manifest.status == "completed", [entry.error for entry in manifest.stages]
    outputs = [one for entry in manifest.stages if entry.record for one in entry.record.outputs]
    found = {
        one.name: told_of(services.blobs.get(one.blob), one.blob.media_type, authority)
        for one in outputs
        if one.stage != "hero"
    }
    services.close()
    return found


def test_a_poster_names_what_is_in_it_and_what_was_done(made: dict[str, Told]) -> None:
    told = made["poster.png"]
    assert told.ingredients == [("hero.png", "parentOf"), ("logo", "componentOf")]
    assert told.actions[:2] == ["c2pa.opened", "c2pa.placed"]
    assert {"c2pa.resized", "c2pa.cropped", "c2pa.addedText", "c2pa.transcoded"} <= set(told.actions)
    assert (told.sources, told.state) == ({AI}, ("valid", True))


def test_what_is_made_of_a_derivative_is_still_of_what_a_model_drew(made: dict[str, Told]) -> None:
    told = made["small.webp"]
    assert told.ingredients == [("poster.png", "parentOf")]
    assert "c2pa.resized" in told.actions
    assert (told.sources, told.state) == ({AI}, ("valid", True))


def test_a_persons_own_picture_is_not_said_to_be_drawn_by_a_model(made: dict[str, Told]) -> None:
    told = made["mark.png"]
    assert told.ingredients == [("logo", "parentOf")]
    assert told.actions[0] == "c2pa.opened"
    assert (told.sources, told.state) == (set(), ("valid", True))


def test_what_is_made_of_nothing_is_a_digital_creation(made: dict[str, Told]) -> None:
    told = made["ground.png"]
    assert (told.ingredients, told.actions[0]) == ([], "c2pa.created")
    assert (told.sources, told.state) == ({"digitalCreation"}, ("valid", True))
