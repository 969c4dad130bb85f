"""Manifests made with a local authority: valid, trusted, broken by one byte, gone after a re-encoding."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from assetmill.errors import InvalidSettings
from assetmill.provenance.credentials import Ingredient, Making, SigningFailed, read_credential, sign
from assetmill.provenance.detecting import has_manifest
from assetmill.settings import Provenance
from tests.assetmill.checks.pictures import encoded, scene
from tests.assetmill.provenance.authority import make_authority

MAKING = Making(
    "hero.png",
    "composite",
    ("c2pa.cropped", "c2pa.edited"),
    "compositeWithTrainedAlgorithmicMedia",
    "sha256:0",
    "resp_1",
)
NOBODY = Provenance()
FORMATS = ["PNG", "JPEG", "WEBP"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Provenance:
    return make_authority(tmp_path_factory.mktemp("authority"))


def signed(kind: str, authority: Provenance, *ingredients: Ingredient) -> bytes:
    return sign(encoded(scene(), kind), f"image/{kind.lower()}", MAKING, ingredients, authority)


@pytest.mark.parametrize("kind", [*FORMATS, "GIF"])
def test_a_picture_without_a_manifest_has_none(kind: str) -> None:
    picture = encoded(scene(), kind)
    assert not has_manifest(picture)
    assert read_credential(picture, NOBODY).state == "absent"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_signed_derivative_is_valid_and_trusted_by_its_own_authority(
    kind: str, authority: Provenance
) -> None:
    data = signed(kind, authority)
    found = read_credential(data, authority)
    assert (found.state, found.is_trusted, found.signer, found.generator) == (
        "valid",
        True,
        "Test",
        "assetmill",
    )
    assert len(data) < len(encoded(scene(), kind)) + 20_000  # no thumbnail


@pytest.mark.parametrize("kind", FORMATS)
def test_to_outsiders_it_is_valid_and_not_trusted(kind: str, authority: Provenance) -> None:
    found = read_credential(signed(kind, authority), NOBODY)
    assert (found.state, found.is_trusted) == ("valid", False)
    assert "signingCredential.untrusted" in found.problems


@pytest.mark.parametrize("kind", FORMATS)
def test_one_changed_byte_breaks_it(kind: str, authority: Provenance) -> None:
    data = bytearray(signed(kind, authority))
    data[-40] ^= 1
    assert read_credential(bytes(data), authority).state == "invalid"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_re_encoding_drops_it(kind: str, authority: Provenance) -> None:
    """A derived file never carries a broken credential: it is encoded anew before it is signed."""
    with Image.open(io.BytesIO(signed(kind, authority))) as picture:
        assert not has_manifest(encoded(picture.convert("RGB"), kind))


def test_pixels_are_those_that_were_signed(authority: Provenance) -> None:
    with Image.open(io.BytesIO(signed("PNG", authority))) as picture:
        assert picture.convert("RGB").tobytes() == scene().tobytes()


def test_an_edit_of_an_edit_carries_the_whole_chain(authority: Provenance) -> None:
    data = signed("PNG", authority)
    sizes: list[int] = []
    for _ in range(3):
        sizes.append(len(data))
        data = signed("PNG", authority, Ingredient("before.png", "image/png", data))
        assert read_credential(data, authority).is_trusted
    assert sizes == sorted(sizes)


def test_parents_are_ingredients_and_no_prompt_is_told(authority: Provenance) -> None:
    import c2pa

    parent = Ingredient("first.png", "image/png", signed("PNG", authority))
    other = Ingredient("logo.webp", "image/webp", encoded(scene(3), "WEBP"))
    data = signed("JPEG", authority, parent, other)
    with c2pa.Reader("image/jpeg", io.BytesIO(data)) as reader:
        told = cast(dict[str, Any], reader.get_active_manifest())
    named = [(one["title"], one["relationship"]) for one in told["ingredients"]]
    assert named == [("first.png", "parentOf"), ("logo.webp", "componentOf")]
    actions = [one for one in told["assertions"] if one["label"].startswith("c2pa.actions")]
    kinds = [one["action"] for one in actions[0]["data"]["actions"]]
    assert kinds == ["c2pa.opened", "c2pa.placed", "c2pa.cropped", "c2pa.edited"]
    assert read_credential(data, authority).is_trusted


def test_without_a_certificate_nothing_is_signed() -> None:
    picture = encoded(scene())
    assert sign(picture, "image/png", MAKING, (), NOBODY) == picture


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": None}, "both certificate and key"),
        ({"key": "/nowhere/key.pem"}, "cannot read /nowhere/key.pem"),
    ],
)
def test_a_profile_that_cannot_sign_is_refused(
    authority: Provenance, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidSettings, match=said):
        signed("PNG", authority.model_copy(update=changes))


def test_a_key_that_is_none_is_named(authority: Provenance, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no key")
    with pytest.raises(SigningFailed, match=r"'hero.png' cannot be signed"):
        signed("PNG", authority.model_copy(update={"key": str(tmp_path / "bad.pem")}))


def test_without_the_library_a_manifest_is_detected_and_no_more(
    authority: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = signed("PNG", authority)
    find = importlib.util.find_spec

    def missing(name: str) -> object:
        return None if name == "c2pa" else find(name)

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    found = read_credential(data, authority)
    assert (found.state, found.problems) == ("detected", ("not validated: install assetmill[provenance]",))
    with pytest.raises(InvalidSettings, match="needs the extra"):
        signed("PNG", authority)


@pytest.mark.parametrize("kind", FORMATS)
def test_detection_survives_every_truncation(kind: str, authority: Provenance) -> None:
    data = signed(kind, authority)
    for size in range(0, len(data), 61):
        has_manifest(data[:size])
    assert has_manifest(data)
