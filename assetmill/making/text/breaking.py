"""Where a line of text may end: by the rules of Unicode (UAX #14), by dictionary, by hyphenation."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any

from assetmill.errors import CannotMake

SOFT_HYPHEN, ZERO_WIDTH_SPACE = "\u00ad", "\u200b"

_SCRIPTS = {"Thai": ("\u0e00", "\u0e7f", "th"), "Lao": ("\u0e80", "\u0eff", "lo"),
            "Khmer": ("\u1780", "\u17ff", "km"), "Myanmar": ("\u1000", "\u109f", "my")}  # fmt: skip
"""Scripts that put no spaces between words: their breaks need a dictionary."""


def units(text: str, language: str = "", *, hyphenate: bool = False, phrases: bool = False) -> list[str]:
    """Return the parts of a paragraph between which a line may end; joined they are the text.

    A part that may be hyphenated at its end has a soft hyphen there. With `phrases` those of Japanese and
    Chinese and the words of Korean stay whole, which the rules of Unicode may end a line within.

    Raises:
        CannotMake: it needs a dictionary that is not installed.
    """
    found = _units(text, language.lower(), hyphenate)
    return list(_whole_phrases(found, language.lower()) if phrases else found)


@lru_cache(maxsize=2048)
def _units(text: str, language: str, hyphenate: bool) -> tuple[str, ...]:
    from uniseg.linebreak import line_break_units

    found: list[str] = []
    for unit in line_break_units(text):
        for part in _by_dictionary(unit):
            found += _hyphenated(part, language) if hyphenate else [part]
    return tuple(found)


def _whole_phrases(parts: tuple[str, ...], language: str) -> Iterator[str]:
    """Join parts that one phrase of the language holds."""
    ends = _phrase_ends("".join(parts), language)
    held, at = "", 0
    for part in parts:
        held, at = held + part, at + len(part)
        if ends is None or at in ends:
            yield held
            held = ""
    if held:
        yield held


def _phrase_ends(text: str, language: str) -> set[int] | None:
    """Return where phrases end; None in a language whose lines end between words anyway."""
    kind = language.partition("-")[0]
    if kind == "ko":
        return {at + 1 for at, letter in enumerate(text) if letter.isspace()}
    parser = _parser(kind, "hant" in language or language.endswith(("-tw", "-hk", "-mo")))
    return None if parser is None else set(accumulate(map(len, parser.parse(text))))


@lru_cache(maxsize=8)
def _parser(kind: str, is_traditional: bool) -> Any:
    known: Any = importlib.import_module("budoux")
    if kind == "ja":
        return known.load_default_japanese_parser()
    if kind != "zh":
        return None
    if is_traditional:
        return known.load_default_traditional_chinese_parser()
    return known.load_default_simplified_chinese_parser()


def needs_dictionary(text: str) -> str:
    """Return the script of a text whose words are told apart by dictionary alone; "" for all others."""
    for name, (first, last, _) in _SCRIPTS.items():
        if sum(first <= letter <= last for letter in text) > 1:
            return name
    return ""


def _by_dictionary(unit: str) -> Iterator[str]:
    script = needs_dictionary(unit)
    if not script:
        yield unit
        return
    try:
        library: Any = importlib.import_module("icu")
    except ImportError as error:
        raise CannotMake(
            f"{script} has no spaces between its words, and a line must end between two of them: "
            "pip install 'assetmill[text]', or write a zero width space (U+200B) where it may end"
        ) from error
    breaks: Any = library.BreakIterator.createLineInstance(library.Locale(_SCRIPTS[script][2]))
    # It counts in units of UTF-16: beyond the basic plane there are two for a letter.
    wide = unit.encode("utf-16-le")
    breaks.setText(library.UnicodeString(unit))
    start = 0
    for end in breaks:
        yield wide[2 * start : 2 * end].decode("utf-16-le")
        start = end


def _hyphenated(unit: str, language: str) -> list[str]:
    word = unit.rstrip()
    found = _dictionary(language)
    if found is None or len(word) < 5:
        return [unit]
    parts = str(found.inserted(word, SOFT_HYPHEN)).split(SOFT_HYPHEN)
    parts[-1] += unit[len(word) :]
    return [part + SOFT_HYPHEN for part in parts[:-1]] + parts[-1:]


@lru_cache(maxsize=32)
def _dictionary(language: str) -> Any:
    known: Any = importlib.import_module("pyphen")
    name = known.language_fallback(language.replace("-", "_"))
    if not name:
        raise CannotMake(
            f"nothing is known of hyphenation in {language!r}: leave hyphenate out, or name another language"
        )
    return known.Pyphen(lang=name)
