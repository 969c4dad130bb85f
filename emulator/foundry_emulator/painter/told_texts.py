"""Words to letter: what a prompt quotes or names, and where it leaves room for them."""

from __future__ import annotations

import re

from foundry_emulator.painter.wording import vocabulary

MOST_TEXTS = 3
LONGEST_TEXT = 90

_QUOTED = re.compile(
    r'"([^"\n]{1,120})"|“([^”\n]{1,120})”|«([^»\n]{1,120})»|(?<!\w)\'([^\'\n]{2,120})\'(?!\w)'
)
_FREE = re.compile(
    r"\b(?:free|negative|empty|blank|copy|white)\s?(?:space|room|area|sky)\b"
    r"[^.;\n]{0,20}?\b(left|right|above|top)\b",
    re.I,
)
_PART = r"(upper|top|left|right)(?:-hand)?\s+(?:third|half|quarter|part|side|edge|area)"
_BARE = r"(?:empty|free|clear|blank|bare)"
_FREE_PART = re.compile(rf"\b{_PART}\b[^.;\n]{{0,30}}?\b{_BARE}\b|\b{_BARE}\s+{_PART}\b", re.I)
_OF_LETTERS = re.compile(
    r"\bin (?:[a-z-]+ ){0,3}(?:letters|lettering|capitals|type|font|handwriting)\b", re.I
)
"""How words are lettered: in "big letters" there is no letter to be drawn."""

_CALLED = re.compile(r"\b(?:called|named)\s+([A-Z][\w&'\u2019-]*(?:\s+[A-Z][\w&'\u2019-]*){0,3})")
_BEARS_NAME = re.compile(r"\b(?:logo|sign|signboard|poster|label|brand|storefront)\b", re.I)


def free_side(prompt: str) -> str | None:
    """Return the side that is to be left free for a headline."""
    match = _FREE.search(prompt) or _FREE_PART.search(prompt)
    side = next((group.lower() for group in match.groups() if group), None) if match else None
    return "top" if side == "upper" else side


def texts_of(prompt: str) -> tuple[tuple[str, ...], str]:
    """Return the words that are to be lettered, and the rest of the prompt."""
    found: list[str] = []

    def take(match: re.Match[str]) -> str:
        found.append(next(group for group in match.groups() if group))
        return " "

    rest = _QUOTED.sub(take, prompt)
    if not found:
        names = "|".join(vocabulary()["grammar"]["text"][:12])
        plain = re.compile(
            rf"\b(?:with|and|add|the|bearing)\s+(?:the\s+|a\s+)?(?:{names})\s*:?\s+([^,.;\n]{{2,60}})", re.I
        )
        match = plain.search(rest)
        if match and not match[1].lower().startswith(("in ", "on ", "at ", "free", "legible", "and ", "of ")):
            found.append(match[1].strip())
            rest = rest[: match.start()] + " . " + rest[match.end() :]
    if named := _CALLED.search(rest):
        if _BEARS_NAME.search(rest) and not found:
            found.append(named[1])
        rest = rest[: named.start()] + " " + rest[named.end() :]
    cleaned = (re.sub(r"\s+", " ", text).strip()[:LONGEST_TEXT] for text in found)
    return tuple(dict.fromkeys(text for text in cleaned if text))[:MOST_TEXTS], _OF_LETTERS.sub(" ", rest)
