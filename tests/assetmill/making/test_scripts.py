"""Letters of many scripts: the glyphs are those of HarfBuzz, in the order in which they are read."""

from __future__ import annotations

import random
from typing import Any

import pytest

from assetmill.errors import CannotMake
from assetmill.making.text.bidi import base_level, levels_of, visual_order
from assetmill.making.text.breaking import units
from assetmill.making.text.faces import Face, face_of, missing
from assetmill.making.text.harfbuzz import harfbuzz
from assetmill.making.text.laying import Demand, lay
from assetmill.making.text.painting import mask_of
from assetmill.making.text.shaping import Shaper
from tests.lettering import CJK, SAMPLES, Sample, needs_fonts

UNSPACED = frozenset({"Thai", "Khmer", "Lao", "Myanmar"})
"""Their lines end between words, which only a dictionary tells."""

SANS = SAMPLES[0].font
ARABIC = SAMPLES[3].font


def _face(sample: Sample) -> Face:
    return face_of(sample.script, sample.font.read_bytes(), sample.face, 400)


def _by_harfbuzz(sample: Sample, direction: str) -> list[tuple[int, int]]:
    """Return glyphs and their advances as HarfBuzz alone gives them for the whole text."""
    hb = harfbuzz()
    font = hb.Font(hb.Face(sample.font.read_bytes(), sample.face))
    buffer: Any = hb.Buffer()
    buffer.add_str(sample.text)
    buffer.direction = direction
    buffer.language = sample.language
    buffer.guess_segment_properties()
    hb.shape(font, buffer)
    return [(one.codepoint, one.cluster) for one in buffer.glyph_infos]


@needs_fonts
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.script)
def test_the_glyphs_are_those_of_harfbuzz(sample: Sample) -> None:
    face = _face(sample)
    line = Shaper((face,), sample.language, sample.level).line(sample.text)
    ours = [glyph.glyph_id for glyph in line.glyphs]
    direction = "rtl" if sample.level else "ltr"
    has_both = len({level % 2 for level in levels_of(sample.text, sample.level)}) > 1
    if not has_both:
        assert ours == [glyph for glyph, _ in _by_harfbuzz(sample, direction)]
    assert sorted(ours) == sorted(glyph for glyph, _ in _by_harfbuzz(sample, direction))
    assert 0 not in ours
    assert line.length > 1


@needs_fonts
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.script)
def test_every_script_leaves_ink_within_its_box(sample: Sample) -> None:
    if sample.script in UNSPACED:
        pytest.importorskip("icu", reason="the extra `text` brings the dictionaries")
    shaper = Shaper((_face(sample),), sample.language, sample.level)
    block = lay(Demand(sample.text, 8, 60, 380, 180), shaper)
    mask = mask_of(
        block, (400, 200), (10, 10, 390, 190), align="right" if sample.level else "left", rise="middle"
    )
    box = mask.getbbox()
    assert box is not None
    assert box[0] >= 8
    assert box[1] >= 8
    assert box[2] <= 392
    assert box[3] <= 192
    assert block.size > 20


@needs_fonts
def test_japanese_is_written_in_columns_from_the_right_with_its_vertical_forms() -> None:
    face = face_of("CJK", CJK.read_bytes(), 0, 400)
    across, down = Shaper((face,), "ja"), Shaper((face,), "ja", 0, is_vertical=True)
    text = "\uff08縦\uff09。"
    assert [one.glyph_id for one in across.line(text).glyphs] != [
        one.glyph_id for one in down.line(text).glyphs
    ]
    block = lay(Demand("春はあけぼの。やうやう白く", 20, 20, 120, 200), down)
    mask = mask_of(block, (200, 140), (0, 10, 200, 130), align="right", rise="top", is_vertical=True)
    assert len(block.lines) > 1
    assert mask.crop((170, 0, 200, 140)).getbbox() is not None  # the first column, at the right


def test_numbers_and_prices_in_a_right_to_left_text_keep_their_order() -> None:
    text = "السعر 49.90 (USD) فقط"
    level = base_level(text)
    seen = "".join(text[at] for at in visual_order(levels_of(text, level)))
    assert level == 1
    assert "49.90" in seen
    assert "USD" in seen
    assert seen.index("USD") < seen.index("49.90")


def test_the_order_of_letters_is_that_of_icu() -> None:
    icu: Any = pytest.importorskip("icu", reason="the extra `text` brings ICU, which this is compared with")
    chance = random.Random(7)
    pool = "abc אבג ابت 0123 ٠١٢ ()[]{} .,:;-+%$€ !? \u064b é ש\u05b8 « »\u2067\u2069\u2066\u2068"
    marks = "\u2066\u2067\u2068\u2069"
    for _ in range(4000):
        text = "".join(chance.choice(pool) for _ in range(chance.randint(1, 14)))
        for level in (0, 1):
            other = icu.Bidi()
            held = icu.UnicodeString(text)
            other.setPara(held, level)
            wanted = [other.getLogicalIndex(at) for at in range(len(text))]
            ours = visual_order(levels_of(text, level))
            assert [at for at in ours if text[at] not in marks] == [
                at for at in wanted if text[at] not in marks
            ]


@needs_fonts
def test_each_letter_takes_the_first_font_that_has_it() -> None:
    latin, arabic = (face_of(name, path.read_bytes(), 0, 400) for name, path in (("a", SANS), ("b", ARABIC)))
    runs = Shaper((latin, arabic), "", 0).runs("AED سعر 5")
    assert [(run.face.name, run.direction) for run in runs] == [("a", "ltr"), ("a", "ltr"), ("b", "rtl")]


@needs_fonts
def test_a_letter_that_no_font_has_is_an_error_with_its_name_and_never_a_box() -> None:
    latin = face_of("Sans", SANS.read_bytes(), 0, 400)
    assert missing("Aあ", [latin]) == ["あ"]
    with pytest.raises(CannotMake, match=r"no font of Sans has 'あ' \(U\+3042 HIRAGANA LETTER A\)"):
        Shaper((latin,)).line("Aあ")


@pytest.mark.parametrize(
    ("text", "language", "parts"),
    [
        ("One two-three", "en", ["One ", "two-", "three"]),
        ("「日本」です。", "ja", ["「日", "本」", "で", "す。"]),
        ("49.90 kr", "da", ["49.90 ", "kr"]),
    ],
)
def test_lines_break_where_unicode_says(text: str, language: str, parts: list[str]) -> None:
    assert units(text, language) == parts


@pytest.mark.parametrize(
    ("text", "language", "parts"),
    [
        ("長い夜に、やさしいあかり。", "ja", ["長い", "夜に、", "やさしい", "あかり。"]),
        ("긴 저녁을 밝히는 조명", "ko-KR", ["긴 ", "저녁을 ", "밝히는 ", "조명"]),
        ("春眠不觉晓、", "zh-Hans", ["春眠", "不", "觉晓、"]),
        ("Light for evenings", "en", ["Light ", "for ", "evenings"]),
    ],
)
def test_phrases_stay_whole_where_asked(text: str, language: str, parts: list[str]) -> None:
    assert units(text, language, phrases=True) == parts
    assert (len(units(text, language)) > len(parts)) == (language != "en")


def test_scripts_without_spaces_break_between_words() -> None:
    pytest.importorskip("icu", reason="the extra `text` brings the dictionaries")
    assert units("ภาษาไทยสวยงาม", "th") == ["ภาษา", "ไทย", "สวยงาม"]
    for text in ("ພາສາລາວສວຍງາມ", "ភាសាខ្មែរស្អាត", "မြန်မာဘာသာစကား"):
        parts = units(text)
        assert len(parts) > 1
        assert "".join(parts) == text


def test_without_dictionaries_a_script_that_needs_them_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "icu", None)
    with pytest.raises(CannotMake, match=r"Thai has no spaces between its words.*assetmill\[text\]"):
        units("ภาษาไทยไม่มีช่องว่าง", "th")
    assert units("ab cd", "en") == ["ab ", "cd"]


@needs_fonts
def test_words_are_hyphenated_by_their_language() -> None:
    shaper = Shaper((face_of("Sans", SANS.read_bytes(), 0, 400),), "de")
    block = lay(Demand("Schreibtischlampe", 30, 30, 190, 200, hyphenate=True), shaper)
    assert [line.text for line in block.lines] == ["Schreibtisch-", "lampe"]
    with pytest.raises(CannotMake, match=r"lacks \d+ px of width"):
        lay(Demand("Schreibtischlampe", 30, 30, 190, 200), shaper)


@needs_fonts
def test_text_is_as_large_as_fits_and_too_long_a_text_says_what_it_lacks() -> None:
    shaper = Shaper((face_of("Sans", SANS.read_bytes(), 0, 400),), "en")
    small, large = (lay(Demand("A lamp", 10, 90, room, 100), shaper).size for room in (100, 300))
    assert small < large <= 90
    with pytest.raises(CannotMake, match=r"'A lamp' does not fit its box of 20x100 px with letters of 10 px"):
        lay(Demand("A lamp", 10, 90, 20, 100), shaper)
