"""Short texts to be read: slogans, titles, captions, alt texts, descriptions, in the language asked for."""

from __future__ import annotations

import re
import tomllib
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from foundry_emulator.model.words import NUMBER_WORDS, count_before, has, quoted, shorten

_KINDS = {
    "slogan": r"slogans?|taglines?|strap ?lines?|mottos?|frases? publicitarias?|phrases? d'accroche|"
    r"werbespr(?:uch|üche)|slagord|hasło|lema|eslogan",
    "caption": r"(?:image |picture |photo )?captions?|bildunterschrift(?:en)?|légendes?|leyendas?|"
    r"didascali[ae]|bildtext|bildetekst|legendas?|bijschrift",
    "alt": r"alt(?:ernative)?[ -]?texts?",
    "title": r"titles?|headlines?|headings?|titel|titres?|títulos?|titol[oi]|überschrift(?:en)?",
    "description": r"product descriptions?|blurbs?|produktbeschreibung(?:en)?|product cop(?:y|ies)|teasers?",
}
_OTHER_SCRIPTS = (
    ("slogan", "слоган|гасло|شعار|סיסמה|标语|口号|スローガン|キャッチコピー|슬로건"),
    ("title", "заголовок|عنوان|כותרת|标题|タイトル|제목"),
)
_WRITES = (
    r"writ\w*|giv\w*|suggest\w*|propos\w*|creat\w*|compos\w*|generat\w*|need|want|think up|come up|"
    r"invent|draft|mak\w*|one|an?|the|provide|answer|return|schreib\w*|erstell\w*|écri\w*|schlag\w*|nenn\w*|eine?n?|un[ae]?|propon\w*|sugier\w*|"
    r"ecri\w*|rédige\w*|donne|escrib\w*|scriv\w*|escrev\w*|schrijf|skriv|napisz|yaz|haz"
)
_ABOUT = (
    r"\b(?:for|about|of|on|für|über|zu|pour|sur|para|sobre|per|su|voor|over|för|om|dla|для|про)\s+"
    r"(?:(?:the|an?|our|my|this|these|die|der|das|den|dem|eine[rmn]?|unsere[rmn]?|le|la|les|l'|un|une|el|los|las|"
    r"il|lo|o|os|de|het|een)\s+)?"
)
_END = (
    r"(?=[.,;:!?\n]|\s+(?:in|auf|en|på|as|that|which|who|with|without|using|at most|no more|under|of at|"
    r"limited|by|to be|and|so|mit|ohne|avec|sans|con|sin)\b|\s+vor\W*$|$)"
)
_THING = re.compile(rf"{_ABOUT}([^.,;:!?\n]{{1,80}}?){_END}", re.IGNORECASE)
_PICTURE_OF = re.compile(
    r"\b(?:an?|the|this|our)\s+(?:photo|picture|image|photograph|illustration|blog post|article|post|page)\s+"
    r"(?:of|about|on|showing)\s+(?:an?\s+|the\s+|our\s+)?"
    r"|\b(?:eine?n?|une?|un[ao]?)\s+(?:artikel|beitrag|seite|foto|bild|article|page|photo|image|artículo|articolo|página)\s+"
    r"(?:über|von|sur|de|sobre|su|di)\s+(?:eine?[nmr]?\s+|die\s+|un[ae]?\s+|el\s+|la\s+)?",
    re.IGNORECASE,
)
_BARE = r"^\W*(?!(?:what|which|who|how|why|is|are|was|does|do|use|with|the)\b)(?:[\w-]+ ){0,2}?"
"""What stands before the kind where a request begins with it: "Short caption for the photo"."""

_THING_ELSEWHERE = re.compile(
    r"(?:关于|關於|为|為)([^\uff0c。\uff1b\n]{1,30}?)(?:的|写|寫)|"
    r"([^、。\n]{1,30}?)(?:についての|のための|の)(?:短い|一言の?)?(?:スローガン|タイトル|キャッチコピー)"
)
_MOST_TEXTS = 10


@cache
def _languages() -> dict[str, dict[str, Any]]:
    with Path(__file__).with_name("copy.toml").open("rb") as file:
        return tomllib.load(file)


def copy(text: str, context: str = "", instructions: str = "") -> str | None:
    """Return the short text that a request asks for, one line each where it asks for several; or None.

    What is not said of thing and language is taken from what was said before and from the instructions.
    """
    kind = kind_asked(text)
    if kind is None:
        return None
    thing = thing_of(text) or thing_of(context) or "It"
    language = language_named(text) or language_named(instructions) or _written_in(text.lower())
    count = min(count_before(text, _KINDS[kind]) or 1, _MOST_TEXTS)
    if count > 1:
        return "\n".join(lines(kind, thing, language, count))
    offered = [*lines(kind, thing, language), *lines(kind, thing, language, _MOST_TEXTS), thing]
    return next((line for line in offered if _fits(line, text)), thing)


def kind_asked(text: str) -> str | None:
    """Return which kind of short text a request wants written; a text that is to be used is none."""
    for kind, names in _KINDS.items():
        before = rf"\b(?:{_WRITES})\b[^.;\n]{{0,60}}?\b(?:{names})\b"
        bare = rf"{_BARE}(?:{names})\b[^?\n]*?{_ABOUT}"
        is_asked = re.search(before, text, re.IGNORECASE) or re.search(bare, text, re.IGNORECASE)
        if is_asked and not has(text, rf"(?:{names})\s*[:=]?\s*[\"“«]"):
            return kind
    return next((kind for kind, names in _OTHER_SCRIPTS if re.search(names, text)), None)


def thing_of(text: str) -> str | None:
    """Return what a short text is to be about, as the request names it."""
    if said := quoted(text):
        return shorten(said[0], 60)
    text = re.sub(r"\bin the language\b.*|\blanguage\s*[:=].*", ".", text, flags=re.IGNORECASE)
    match = _THING.search(_PICTURE_OF.sub("", text)) or _THING_ELSEWHERE.search(text)
    if match is None:
        return None
    thing = next(group for group in match.groups() if group).strip(" '\"")
    return thing or None


def language_named(text: str) -> str | None:
    """Return the code of the language that a text names, in words or as a code."""
    lowered = text.lower()
    named = re.search(
        r"\b(?:language|locale|lang|sprache|langue|idioma|lingua|taal|språk)\b\W{0,3}(?:is |code )?\"?"
        r"([a-z]{2,12})",
        lowered,
    )
    for code, row in _languages().items():
        if named and named[1] in row["names"]:
            return code
    for code, row in _languages().items():
        words = "|".join(re.escape(name) for name in row["names"] if len(name) > 2)
        if re.search(rf"(?<!\w)(?:in|auf|en|på|em|på|into|po|на|:)?\s*(?:{words})(?!\w)", lowered):
            return code
    tail = re.search(r"\b(?:in|for locale) ([a-z]{2})(?:-[a-z]{2})?\W*$", lowered)
    return next((code for code, row in _languages().items() if tail and tail[1] in row["names"]), None)


def _written_in(lowered: str) -> str:
    said = set(re.findall(r"\w+", lowered))
    shares = {
        code: sum(
            word in said or (not word.isascii() and len(word) < 4 and word in lowered) for word in row["asks"]
        )
        for code, row in _languages().items()
    }
    best = max(shares, key=lambda code: shares[code])
    return best if shares[best] > 1 or (shares[best] == 1 and not lowered.isascii()) else "en"


def lines(kind: str, thing: str, language: str, count: int = 1) -> list[str]:
    """Return that many texts about a thing; the same thing gets the same ones."""
    row: Mapping[str, Any] = _languages()[language]
    offered: list[str] = row[kind]
    start = zlib.crc32(thing.encode()) % len(offered)
    others = [text for name in ("slogan", "title", "caption") if name != kind for text in row[name]]
    found = [text.format(thing=thing) for text in (offered[start:] + offered[:start] + others)[:count]]
    return [line[:1].upper() + line[1:] for line in found]


def _fits(line: str, text: str) -> bool:
    """Say whether a line keeps within the words or characters that the request allows."""
    asked = re.search(
        r"\b(?:at most|up to|no more than|max(?:imum)?|under|within)\s+((\w+) (words|characters))", text, re.I
    )
    most = _number(asked[2]) if asked else None
    if asked is None or most is None:
        return True
    return (len(line.split()) if asked[3].lower() == "words" else len(line)) <= most


def _number(word: str) -> int | None:
    return int(word) if word.isdigit() and word.isascii() else NUMBER_WORDS.get(word.lower())
