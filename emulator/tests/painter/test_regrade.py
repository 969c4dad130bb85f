import numpy as np
import pytest
from foundry_emulator.painter import regrade
from PIL import Image, ImageDraw

SIZE = (240, 160)


@pytest.fixture
def scene() -> Image.Image:
    """A window with a mountain, a cloud and an orange lamp before the sky, over a brown desk."""
    image = Image.linear_gradient("L").resize(SIZE).convert("RGB").point([*range(256)] * 2 + [255] * 256)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 90, 239, 119), fill=(60, 90, 130))
    draw.rectangle((0, 120, 239, 159), fill=(190, 150, 110))
    draw.ellipse((30, 20, 80, 50), fill=(225, 225, 225))
    draw.polygon(((110, 40), (140, 40), (160, 90), (90, 90)), fill=(255, 160, 20))
    return image


def subject_of(box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).rectangle(box, fill=255)
    return mask


@pytest.mark.parametrize("hour", ["dusk", "night"])
def test_an_hour_tones_equal_pixels_of_a_row_equally(scene: Image.Image, hour: str) -> None:
    before = np.asarray(scene)
    after = np.asarray(regrade.at_hour(scene, hour, subject_of((90, 40, 160, 90))))
    assert after.mean() < before.mean() * 0.8
    for row_before, row_after in zip(before, after, strict=True):
        _, first = np.unique(row_before, axis=0, return_index=True)
        for at in first:
            alike = (row_before == row_before[at]).all(axis=1)
            assert (row_after[alike] == row_after[at]).all()


def test_a_light_shines_at_dusk_and_lights_what_is_near(scene: Image.Image) -> None:
    subject = subject_of((90, 40, 160, 90))
    dark = np.asarray(regrade.at_hour(scene, "dusk", subject), dtype=int)
    lit = np.asarray(regrade.at_hour(scene, "dusk", subject, is_lit=True), dtype=int)
    assert lit[70, 125].sum() > dark[70, 125].sum() + 60
    assert lit[70, 168].sum() > dark[70, 168].sum()
    assert abs(lit[150, 10] - dark[150, 10]).max() < 12


def test_a_new_sky_leaves_land_and_subject_their_colours(scene: Image.Image) -> None:
    before = np.asarray(scene, dtype=int)
    after = np.asarray(regrade.with_sky(scene, ((240, 120, 180),)), dtype=int)
    assert abs(after[5, 200] - (240, 120, 180)).max() < 30
    assert abs(after[60, 125] - before[60, 125]).max() < 8
    assert (after[125:] == before[125:]).all()


def test_alpha_outlives_an_hour(scene: Image.Image) -> None:
    scene.putalpha(subject_of((0, 0, 100, 100)))
    assert regrade.at_hour(scene, "dusk", scene.getchannel("A")).getchannel("A").getbbox() == (0, 0, 101, 101)
