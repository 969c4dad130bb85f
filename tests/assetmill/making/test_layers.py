"""Layers over a picture: their places, their colours, and texts that can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assetmill.errors import CannotMake, InvalidSpec
from assetmill.making.contrast import contrast
from assetmill.making.layers import lay_over
from assetmill.runs.planning import plan_pipeline
from assetmill.spec.layers import LayerSpec
from assetmill.store.memory import MemoryStore
from tests.lettering import SAMPLES, needs_fonts, write_table
from tests.millworks import painter, run_here, services_on, settings_in

SANS, ARABIC = SAMPLES[0].font, SAMPLES[3].font

POSTER = """
name: poster
axes:
  locale:
    values:
      - {code: en, title: Light for long evenings}
      - {code: ar, title: ضوء للأمسيات الطويلة}
stages:
  - name: hero
    prompt: Draw a mug.
    tools: [{type: image_generation, quality: low}]
    outputs: [{name: hero.png}]
  - name: poster
    make:
      - from: hero
        resize: 800x600
        layers:
          - {gradient: ["#000c", "#0000"], box: 0 0 100% 50%}
          - {text: "{{ locale.title }}", box: 5% 5% 60% 30%, font: [Sans, SansArabic], size: 24..96,
             colour: white, min_contrast: 4.5}
        save: "poster-{{ locale.code }}.png"
"""


def _layer(**given: Any) -> LayerSpec:
    return LayerSpec.model_validate(given)


def _laid(picture: Image.Image, *layers: LayerSpec, other: Image.Image | None = None) -> Image.Image:
    return lay_over(picture, layers, lambda _: other or picture, lambda _: SANS.read_bytes())


def _white(size: tuple[int, int] = (200, 100)) -> Image.Image:
    return Image.new("RGB", size, "white")


def _pixel(picture: Image.Image, at: tuple[int, int]) -> tuple[int, ...]:
    found = picture.convert("RGB").getpixel(at)
    assert isinstance(found, tuple)
    return tuple(int(one) for one in found)


def test_a_picture_lies_at_its_place_with_its_margin_and_its_own_shape() -> None:
    logo = Image.new("RGBA", (100, 50), "red")
    made = _laid(_white(), _layer(picture="logo", at="bottom right", width="20%", margin="10"), other=logo)
    assert _pixel(made, (189, 89)) == (255, 0, 0)
    assert _pixel(made, (151, 71)) == (255, 0, 0)
    assert _pixel(made, (191, 89)) == _pixel(made, (149, 71)) == _pixel(made, (180, 68)) == (255, 255, 255)


def test_shapes_and_gradients_have_their_colours_and_their_opacity() -> None:
    made = _laid(
        _white(),
        _layer(shape="rectangle", box="0 0 50% 100%", colour="#00f", opacity=0.5),
        _layer(gradient=["#000", "#fff"], box="50% 0 50% 100%", towards="right"),
        _layer(shape="ellipse", box="40 30 40 40", colour="#f00"),
    )
    assert _pixel(made, (5, 5)) == (127, 127, 255)
    assert _pixel(made, (60, 50)) == (255, 0, 0)
    assert _pixel(made, (41, 31)) == (127, 127, 255)
    assert _pixel(made, (101, 50))[0] < 10
    assert _pixel(made, (198, 50))[0] > 240


@needs_fonts
def test_text_that_cannot_be_read_over_its_ground_is_refused_and_a_plate_helps() -> None:
    grey = Image.new("RGB", (400, 120), "#777777")
    text = {"text": "Hello", "font": ["Sans#0"], "size": 60, "colour": "#888888", "min_contrast": 4.5}
    with pytest.raises(CannotMake, match=r"layer 1: the letters have a contrast of 1\.\d"):
        _laid(grey, _layer(**text))
    _laid(grey, _layer(**{**text, "colour": "black", "plate": "white"}))
    _laid(grey, _layer(**{**text, "colour": "black", "outline": {"colour": "white", "width": 6}}))


def test_contrast_is_the_ratio_of_wcag() -> None:
    mask = Image.new("L", (50, 50))
    mask.paste(255, (10, 10, 40, 40))
    assert contrast(_white((50, 50)), mask, (0, 0, 0, 255)) == pytest.approx(21.0)
    assert contrast(_white((50, 50)), mask, (118, 118, 118, 255)) == pytest.approx(4.54, abs=0.01)
    clear = Image.new("RGBA", (50, 50))
    assert contrast(clear, mask, (0, 0, 0, 255)) == pytest.approx(1.0)


@needs_fonts
def test_an_outline_a_shadow_and_weight_change_what_is_drawn() -> None:
    plain = {"text": "Hello", "font": ["Sans#0"], "size": 60}
    drawn = [
        _laid(_white((300, 100)), _layer(**{**plain, **more})).tobytes()
        for more in ({}, {"outline": "#f00"}, {"shadow": "#000"}, {"weight": 800}, {"align": "end"})
    ]
    assert len(set(drawn)) == len(drawn)


@needs_fonts
def test_a_poster_in_two_scripts_costs_one_picture(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, poster=POSTER)
    write_table(settings.configs, Sans=SANS, SansArabic=ARABIC)
    services = services_on(settings, MemoryStore(), painter())
    manifest = run_here(services, "poster")
    assert manifest.status == "completed"
    hero, *posters = (entry.record for entry in manifest.stages)
    assert [one.outputs[0].name for one in posters if one] == ["poster-en.png", "poster-ar.png"]
    assert hero is not None
    assert manifest.spent_usd == hero.cost_usd
    assert {"uharfbuzz", "pillow"} <= set(posters[0].made_with if posters[0] else ())


@needs_fonts
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("font: [Sans, SansArabic]", "font: [Sans]"),
            r"poster\[locale=ar\].*no font of Sans has .*SansArabic",
        ),
        (("font: [Sans, SansArabic]", "font: [Sanz]"), r"no font 'Sanz' \(did you mean 'Sans'"),
        (
            ("Light for long evenings", "Light for long evenings あ"),
            r"U\+3042 HIRAGANA.*no font of the project",
        ),
        (
            ("box: 5% 5% 60% 30%", "box: 5% 5% 4% 30%"),
            r"poster\[locale=en\].*does not fit its box of 32x180 px",
        ),
        (("size: 24..96", "size: 96..24"), "smaller size comes first"),
        (("colour: white, min", "shape: ellipse, min"), "exactly one of text, picture, shape, gradient"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_paid(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    settings = settings_in(tmp_path, poster=POSTER.replace(*change))
    write_table(settings.configs, Sans=SANS, SansArabic=ARABIC)
    with pytest.raises(InvalidSpec, match=told):
        plan_pipeline("poster", {}, settings, None)


@needs_fonts
def test_another_font_file_makes_the_stage_again_and_its_table_needs_a_licence(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, poster=POSTER)
    write_table(settings.configs, Sans=SANS, SansArabic=ARABIC)
    services = services_on(settings, MemoryStore(), painter())
    run_here(services, "poster")
    write_table(settings.configs, Sans=SANS.with_name("NotoSans-Bold.ttf"), SansArabic=ARABIC)
    plan = plan_pipeline("poster", {}, settings, services.ledger)
    assert [stage.status for stage in plan.stages] == ["reuse", "run", "run"]
    (settings.configs / "fonts.toml").write_text('[Sans]\nfile = "a.ttf"\n')
    with pytest.raises(InvalidSpec, match=r"Sans|licence"):
        plan_pipeline("poster", {}, settings, services.ledger)
