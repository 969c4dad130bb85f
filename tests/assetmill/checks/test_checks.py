"""What each check says of a file: it lets the good one pass and refuses the bad one by name."""

from __future__ import annotations

import shutil
from typing import Any, cast

import pytest
from PIL import Image

from assetmill.checks.examining import examine_file
from assetmill.checks.looks import Neighbours, difference_hash
from assetmill.checks.specimen import Specimen
from assetmill.records import CheckResult, RunId
from assetmill.spec.output_checks import ChecksSpec, DuplicateCheck
from tests.assetmill.checks.pictures import encoded, lettered, scene, specimen

RUN = RunId("run_1")


def _nobody(*_: object) -> None:
    return None


def results(checks: dict[str, Any], picture: bytes | Image.Image) -> dict[str, CheckResult]:
    asked = ChecksSpec.model_validate(checks)
    return {one.check: one for one in examine_file(asked, specimen(picture), _nobody)}


CLEAR = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
SHAPE = CLEAR.copy()
SHAPE.paste((0, 0, 0, 255), (16, 16, 48, 48))
NOISY = Image.effect_noise((128, 128), 1.0).convert("RGB")


def _named(value: object) -> str:
    return next(iter(cast(dict[str, Any], value))) if isinstance(value, dict) else ""


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ({"decodes": True}, scene(), encoded(scene())[:-20]),
        ({"decodes": True}, scene(), encoded(scene()) + b"<script>"),
        ({"decodes": True}, scene(), b"<svg onload='alert(1)'/>"),
        ({"size": "320x240"}, scene(), scene(size=(321, 240))),
        ({"aspect": "4:3"}, scene(), scene(size=(320, 320))),
        ({"aspect": "1.91:1"}, scene(size=(1200, 628)), scene(size=(1200, 600))),
        ({"format": "png"}, scene(), encoded(scene(), "JPEG")),
        ({"alpha": True}, SHAPE, scene()),
        ({"alpha": False}, scene(), SHAPE),
        ({"not_blank": True}, scene(), Image.new("RGB", (64, 64), "teal")),
        ({"not_blank": True}, SHAPE, CLEAR),
        ({"not_blank": True}, scene(), NOISY),
        ({"palette": ["#000080", "#ffa500", "#008000"]}, scene(), scene(ground="hotpink")),
        ({"palette": {"colours": ["#000"], "share": 0.9}}, SHAPE, scene()),
        ({"max_bytes": "4 KB"}, scene(), b"x" * 4001),
    ],
    ids=_named,
)
def test_a_check_tells_good_from_bad(
    check: dict[str, Any], good: Image.Image, bad: bytes | Image.Image
) -> None:
    (name,) = check
    assert results(check, good)[name].state == "passed"
    refused = results(check, bad)
    assert [one.state for one in refused.values()] == ["failed"]
    assert refused.popitem()[1].message


def test_a_file_that_does_not_decode_is_asked_nothing_else() -> None:
    found = results({"size": "10x10", "not_blank": True, "palette": "#fff"}, b"GIF89a;")
    assert {name: one.state for name, one in found.items()} == {"decodes": "failed"}


def test_a_bomb_is_refused_before_its_pixels_are_made() -> None:
    bomb = encoded(Image.new("1", (9000, 9000)))
    assert "more than" in results({"decodes": True}, bomb)["decodes"].message


def test_a_palette_ignores_what_is_transparent() -> None:
    assert results({"palette": {"colours": ["#000000"], "share": 1.0}}, SHAPE)["palette"].score == 1.0
    assert results({"palette": "#000000"}, CLEAR)["palette"].message == "it is transparent all over"


def test_a_palette_scores_the_share_and_names_what_strays() -> None:
    half = Image.new("RGB", (100, 100), "#ff0000")
    half.paste((0, 0, 255), (0, 0, 50, 100))
    found = results({"palette": {"colours": ["#f00"], "share": 0.9}}, half)["palette"]
    assert found.score == pytest.approx(0.5, abs=0.02)
    assert "#0000ff" in found.message


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_words_are_read_where_tesseract_is_installed() -> None:
    picture = lettered("SUMMER SALE", ground="navy", ink="white")
    assert results({"text": "Summer sale"}, picture)["text"].state == "passed"
    wrong = results({"text": ["Summer sale", "Winter"]}, picture)["text"]
    assert wrong.state == "failed"
    assert wrong.score == 0.5
    assert "'Winter' is not there" in wrong.message


def test_words_are_not_checked_without_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never passed in silence: the result says that nobody looked."""
    import pytesseract

    monkeypatch.setattr(pytesseract.pytesseract, "tesseract_cmd", "/nowhere/tesseract")
    found = results({"text": "SALE"}, lettered("SALE"))["text"]
    assert (found.state, found.message) == ("not_checked", "tesseract is not installed")


def claim(neighbours: Neighbours, picture: Image.Image, name: str, owner: str, **check: Any) -> str | None:
    one = specimen(picture, name, asset_id=f"ast_{name}")
    found = neighbours.claim(
        RUN,
        owner,
        one.asset,
        own_hash=difference_hash(one),
        check=DuplicateCheck.model_validate(check),
        hash_of=lambda _: None,
    )
    return found[0].name if found else None


def test_the_same_picture_in_another_size_and_format_is_a_duplicate() -> None:
    neighbours = Neighbours()
    large = scene(1).resize((1280, 960))
    assert claim(neighbours, scene(1), "a.png", "one/0") is None
    assert claim(neighbours, large, "b.png", "two/0") == "a.png"
    assert claim(neighbours, large, "b.png", "two/0", among="stage") is None


def test_different_pictures_are_no_duplicates() -> None:
    neighbours = Neighbours()
    assert [claim(neighbours, scene(n), f"{n}.png", f"{n}/0") for n in range(6)] == [None] * 6


def test_draws_of_one_stage_are_not_held_against_each_other() -> None:
    neighbours = Neighbours()
    assert claim(neighbours, scene(1), "a.png", "one/0") is None
    assert claim(neighbours, scene(1), "b.png", "one/1") is None
    assert claim(neighbours, scene(1), "c.png", "one/1") == "b.png"


def test_a_released_picture_leaves_its_place() -> None:
    neighbours = Neighbours()
    claim(neighbours, scene(1), "a.png", "one/0")
    neighbours.release(RUN, "one/0")
    assert claim(neighbours, scene(1), "b.png", "two/0") is None


def test_a_noted_picture_is_hashed_when_it_is_first_compared() -> None:
    neighbours = Neighbours()
    earlier = specimen(scene(1), "a.png", "ast_a")
    output = earlier.asset.model_copy(update={"role": "output"})
    neighbours.note(RUN, (output,), "one")
    one = specimen(scene(1), "b.png", "ast_b")
    found = neighbours.claim(
        RUN,
        "two/0",
        one.asset,
        own_hash=difference_hash(one),
        check=DuplicateCheck(),
        hash_of=lambda asset: difference_hash(Specimen(asset, earlier.data)),
    )
    assert found == (output, 0)
