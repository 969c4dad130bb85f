"""Texts in many scripts, and where the fonts for them lie: Debian's fonts-noto-core and fonts-noto-cjk."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

NOTO = Path("/usr/share/fonts/truetype/noto")
CJK = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


class Sample(NamedTuple):
    """A text in a script; `font` is the file that has its letters, `face` its number in it."""

    script: str
    text: str
    language: str
    font: Path
    level: int = 0
    face: int = 0


def _sans(name: str = "") -> Path:
    return NOTO / f"NotoSans{name}-Regular.ttf"


SAMPLES = (
    Sample("Latin", "Žluťoučký kůň, déjà vu, ắ", "cs", _sans()),
    Sample("Cyrillic", "Съешь ещё этих мягких булок", "ru", _sans()),
    Sample("Greek", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία", "el", _sans()),
    Sample("Arabic", "السعر ٤٩ ريالاً اليوم", "ar", _sans("Arabic"), 1),
    Sample("Hebrew", "דג סקרן שט בים מאוכזב", "he", _sans("Hebrew"), 1),
    Sample("Persian", "قیمت ویژه: می‌خواهم ۴۹ تومان", "fa", _sans("Arabic"), 1),
    Sample("Urdu", "ہمارا نیا چراغ خوبصورت ہے", "ur", NOTO / "NotoNastaliqUrdu-Regular.ttf", 1),
    Sample("Devanagari", "क्षत्रिय विश्वविद्यालय में हिन्दी", "hi", _sans("Devanagari")),
    Sample("Bengali", "শ্রীকৃষ্ণ বাংলা ভাষা", "bn", _sans("Bengali")),
    Sample("Tamil", "தமிழ் மொழி ஸ்ரீ", "ta", _sans("Tamil")),
    Sample("Telugu", "తెలుగు భాష స్త్రీ", "te", _sans("Telugu")),
    Sample("Thai", "ภาษาไทยสวยงามมาก", "th", _sans("Thai")),
    Sample("Lao", "ພາສາລາວສວຍງາມ", "lo", _sans("Lao")),
    Sample("Khmer", "ភាសាខ្មែរស្អាត", "km", _sans("Khmer")),
    Sample("Myanmar", "မြန်မာဘာသာစကား", "my", _sans("Myanmar")),
    Sample("Georgian", "ქართული ენა", "ka", _sans("Georgian")),
    Sample("Armenian", "Հայոց լեզու", "hy", _sans("Armenian")),
    Sample("Ethiopic", "አማርኛ ቋንቋ", "am", _sans("Ethiopic")),
    Sample("Chinese", "春眠不觉晓、处处闻啼鸟。", "zh", CJK, face=2),
    Sample("Japanese", "日本語の見出し、禁則処理。", "ja", CJK),
    Sample("Korean", "키스의 고유조건은 입술끼리", "ko", CJK, face=1),
)

needs_fonts = pytest.mark.skipif(
    not (_sans().is_file() and CJK.is_file()),
    reason="needs Debian's fonts-noto-core and fonts-noto-cjk: too large to be kept here",
)


def write_table(configs: Path, **fonts: Path) -> None:
    """Write a project's table of fonts."""
    lines = [f'[{name}]\nfile = "{path}"\nlicence = "OFL-1.1"\n' for name, path in fonts.items()]
    (configs / "fonts.toml").write_text("\n".join(lines))
