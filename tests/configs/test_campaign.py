"""The example of 32 files in eight languages: one picture is paid, and its letters are HarfBuzz's."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assetmill.making.text.bidi import base_level
from assetmill.making.text.faces import face_of
from assetmill.making.text.harfbuzz import harfbuzz
from assetmill.making.text.shaping import Shaper
from assetmill.project import find_configs
from assetmill.settings import load_settings
from assetmill.spec.fonts import load_fonts
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, always, image_item, png
from tests.millworks import run_here, services_on

CONFIGS = find_configs({})
NAMES = (
    "NotoSansBold",
    "NotoSansArabicBold",
    "NotoSansHebrewBold",
    "NotoSansDevanagariBold",
    "NotoSansJPBold",
)
OWN = {
    "ar": "NotoSansArabicBold",
    "he": "NotoSansHebrewBold",
    "hi": "NotoSansDevanagariBold",
    "ja": "NotoSansJPBold",
}
NAVY = (0, 0, 128)
"""The picture of the double: no shade lies over where the product stands."""
with (CONFIGS / "data" / "campaign-titles.csv").open(encoding="utf-8") as table:
    ROWS = list(csv.DictReader(table))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["code"])
def test_the_glyphs_of_every_title_are_those_of_harfbuzz(row: dict[str, str]) -> None:
    """HarfBuzz shapes the whole title in its one font, we in all fonts of the poster."""
    files = {name: load_fonts(CONFIGS)[name][1].read_bytes() for name in NAMES}
    level = base_level(row["title"])
    shaper = Shaper(
        tuple(face_of(name, data, 0, 400) for name, data in files.items()), row["language"], level
    )
    hb: Any = harfbuzz()
    buffer = hb.Buffer()
    buffer.add_str(row["title"])
    buffer.language = row["language"]
    buffer.guess_segment_properties()
    assert buffer.direction == ("rtl" if level else "ltr")
    hb.shape(hb.Font(hb.Face(files[OWN.get(row["code"], "NotoSansBold")], 0)), buffer)
    wanted = [info.codepoint for info in buffer.glyph_infos]
    assert [glyph.glyph_id for glyph in shaper.line(row["title"]).glyphs] == wanted
    assert 0 not in wanted


@pytest.mark.timeout(300)
@pytest.mark.parametrize("locales", [1, pytest.param(8, marks=pytest.mark.soak)])
def test_it_pays_one_picture_for_all_of_its_files(tmp_path: Path, locales: int) -> None:
    lines = (CONFIGS / "data" / "campaign-titles.csv").read_text(encoding="utf-8").splitlines()
    titles = tmp_path / "titles.csv"
    titles.write_text("\n".join(lines[: locales + 1]) + "\n", encoding="utf-8")
    settings = load_settings("local", {"ASSETMILL_HOME": str(tmp_path), "ASSETMILL_CONFIGS": str(CONFIGS)})
    gateway = ScriptedGateway(always(image_item(png(1536, 1024, "navy"))))
    services = services_on(settings, MemoryStore(), gateway)
    manifest = run_here(services, "campaign", titles=str(titles))
    assert manifest.status == "completed"
    records = [entry.record for entry in manifest.stages if entry.record]
    paid = [record for record in records if record.made_by]
    assert [record.stage for record in paid] == ["hero"]
    assert manifest.spent_usd == paid[0].cost_usd
    posters = [one for record in records if record.stage == "poster" for one in record.outputs]
    assert len(posters) == 4 * locales
    for poster in posters:
        with Image.open(io.BytesIO(services.blobs.get(poster.blob))) as picture:
            seen = picture.convert("RGB").getpixel((round(0.8 * picture.width), round(0.9 * picture.height)))
        assert isinstance(seen, tuple)
        assert max(abs(left - right) for left, right in zip(seen, NAVY, strict=True)) < 6, poster.name
