"""Originals that are not plain: for print, grey, deep, cut short; and files that are to lie elsewhere."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assetmill.errors import InvalidSpec
from assetmill.making.opening import open_picture
from assetmill.runs.planning import plan_pipeline
from tests.millworks import settings_in
from tests.photos import display_p3

LOCAL = """
name: local
stages:
  - name: cuts
    inputs: [{file: photo.png}]
    make:
      - {make}
"""


def _file(picture: Image.Image, form: str = "PNG", **more: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **more)
    return out.getvalue()


def _grey(depth: type[np.generic], value: int) -> Image.Image:
    return Image.fromarray(np.full((30, 40), value, depth))


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (_file(Image.new("CMYK", (40, 30), (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
        (_file(_grey(np.uint8, 120)), (120, 120, 120)),
        (_file(_grey(np.uint16, 0x7800)), (120, 120, 120)),
        (_file(Image.new("RGB", (40, 30), (200, 0, 0)), icc_profile=display_p3()), (219, 0, 0)),
    ],
    ids=["print", "grey", "grey of 16 bits", "a profile"],
)
def test_an_odd_original_looks_as_it_does_in_a_viewer(data: bytes, seen: tuple[int, int, int]) -> None:
    picture = open_picture(data, "photo").convert("RGB")
    found = picture.getpixel((20, 15))
    assert isinstance(found, tuple)
    assert found == pytest.approx(seen, abs=8)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_an_original_that_is_cut_short_is_refused_before_anything_runs(tmp_path: Path, form: str) -> None:
    whole = _file(Image.effect_noise((80, 60), 80).convert("RGB"), form)
    settings = settings_in(tmp_path, local=LOCAL.replace("{make}", "{from: photo, save: a.png}"))
    (settings.configs / "pipelines" / "photo.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidSpec, match=r"local\.yaml:5: stage 'cuts': .*photo\.png' cannot be used"):
        plan_pipeline("local", {}, settings, None)


@pytest.mark.parametrize(
    "make",
    [
        "{from: photo, save: ../a.png}",
        "{from: photo, save: /etc/a.png}",
        "{from: photo, save: b/../../a.png}",
        "{from: photo, atlas: {data: ../a.json}, save: a.png}",
        "{from: photo, srcset: true, save: ../a.html}",
    ],
)
def test_a_name_that_climbs_out_is_refused_with_its_line(tmp_path: Path, make: str) -> None:
    settings = settings_in(tmp_path, local=LOCAL.replace("{make}", make))
    (settings.configs / "pipelines" / "photo.png").write_bytes(_file(Image.new("RGB", (40, 30))))
    with pytest.raises(InvalidSpec, match=r"local\.yaml:7: stage 'cuts': .* is not a safe file name"):
        plan_pipeline("local", {}, settings, None)
