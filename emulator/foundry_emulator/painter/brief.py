"""What a prompt asks for: subjects and how many, colours, setting, style, framing, words to letter."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from foundry_emulator.painter import book, colours
from foundry_emulator.painter.colours import RGB
from foundry_emulator.painter.wording import (
    MOST_COPIES,
    first,
    is_noun,
    lookup,
    number,
    phrases,
    vocabulary,
)

MOST_SUBJECTS = 3
MOST_TEXTS = 3
PLURAL = 3
LONGEST_TEXT = 90

_QUOTED = re.compile(
    r'"([^"\n]{1,120})"|“([^”\n]{1,120})”|«([^»\n]{1,120})»|(?<!\w)\'([^\'\n]{2,120})\'(?!\w)'
)
_WORD = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b|[A-Za-z0-9][A-Za-z0-9'\u2019-]*|[.;:!?\n]|,")
_FREE = re.compile(
    r"\b(?:free|negative|empty|blank|copy|white)\s?(?:space|room|area|sky)\b"
    r"[^.;\n]{0,20}?\b(left|right|above|top)\b",
    re.I,
)
_BREAKS = frozenset(".;:!?\n")


@dataclass(frozen=True)
class Wanted:
    """One subject, how often, and the colours named for it."""

    subject: str
    count: int = 1
    colours: tuple[RGB, ...] = ()


@dataclass(frozen=True)
class Brief:
    """A prompt, understood as far as the painter can.

    `has_palette` says that the colours were given for the whole picture, the ground first; `free` is the side
    that is to be left free for a headline.
    """

    wanted: tuple[Wanted, ...] = ()
    colours: tuple[RGB, ...] = ()
    backdrop: RGB | None = None
    setting: str | None = None
    hour: str | None = None
    style: str | None = None
    framing: str = "centered"
    orientation: str = "square"
    texts: tuple[str, ...] = ()
    nouns: tuple[str, ...] = ()
    has_palette: bool = False
    free: str | None = None


@dataclass
class _Reading:
    """The words of a prompt and what is found while going through them."""

    words: list[str]
    wanted: list[Wanted] = field(default_factory=list[Wanted])
    loose: list[RGB] = field(default_factory=list[RGB])
    waiting: list[RGB] = field(default_factory=list[RGB])
    backdrop: RGB | None = None
    count: int = 1
    since_on: int = 99
    since_subject: int = 99
    is_listing: bool = False
    on_colour: RGB | None = None
    nouns: list[str] = field(default_factory=list[str])
    hints: set[str] = field(default_factory=set[str])
    is_directive: bool = False
    at_start: bool = True
    palette: list[RGB] = field(default_factory=list[RGB])


def read(prompt: str) -> Brief:
    """Understand a prompt."""
    texts, rest = _texts(prompt)
    words = _without_negated([word.lower() for word in _WORD.findall(rest.replace("\u2019", "'"))])
    reading = _Reading(words)
    _walk(reading)
    _lay_down(reading)
    reading.loose.extend(reading.waiting)
    setting = first(words, phrases("settings"))
    if setting in ("desk", "room") and "window" in words:
        setting = "window"
    if reading.backdrop is None and len(reading.loose) > 1 and any(want.colours for want in reading.wanted):
        reading.backdrop = reading.loose.pop()
    strong = [want for want in reading.wanted if want.subject not in reading.hints]
    return Brief(
        wanted=_settled(strong or reading.wanted, setting),
        colours=tuple(dict.fromkeys([*reading.loose, *reading.palette])),
        backdrop=reading.backdrop,
        setting=setting,
        hour=first(words, phrases("hours")),
        style=_style(words),
        framing=first(words, phrases("framing")) or "centered",
        orientation=first(words, phrases("orientation")) or "square",
        texts=texts,
        nouns=tuple(dict.fromkeys(reading.nouns))[:4],
        has_palette=bool(reading.palette) and not reading.loose,
        free=_free_side(prompt),
    )


def _free_side(prompt: str) -> str | None:
    match = _FREE.search(prompt)
    return match[1].lower() if match else None


def _texts(prompt: str) -> tuple[tuple[str, ...], str]:
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
    cleaned = (re.sub(r"\s+", " ", text).strip()[:LONGEST_TEXT] for text in found)
    return tuple(dict.fromkeys(text for text in cleaned if text))[:MOST_TEXTS], rest


def _without_negated(words: list[str]) -> list[str]:
    negations = set(vocabulary()["grammar"]["negations"])
    kept: list[str] = []
    is_negated = False
    for word in words:
        if word in _BREAKS or word in (",", "but", "with", "just", "only"):
            is_negated = False
        elif word in negations:
            is_negated = True
        if not is_negated:
            kept.append(word)
    return kept


def _walk(reading: _Reading) -> None:
    at = 0
    while at < len(reading.words):
        at += _step(reading, at)


def _step(reading: _Reading, at: int) -> int:
    words = reading.words
    word = words[at]
    grammar = vocabulary()["grammar"]
    if reading.at_start:
        reading.is_directive = bool(reading.wanted) and word in grammar["directives"]
        reading.at_start = False
    reading.since_on = 0 if word in grammar["on"] else reading.since_on + 1
    _follow_list(reading, word)
    if word in _BREAKS or word == ",":
        _end_part(reading, word)
        return 1
    colour, length = _colour(words, at)
    if colour:
        _take_colour(reading, _shaded(colour, words[at - 1] if at else ""))
        return length
    if reading.is_directive:
        return 1
    if word in grammar["backdrop"]:
        _take_backdrop(reading)
        return 1
    name, length = lookup(words, at, book.words())
    if name:
        _take_subject(reading, name, words[at : at + length])
        return length
    if count := number(word):
        reading.count = count
    elif is_noun(word):
        reading.nouns.append(word)
    return 1


def _end_part(reading: _Reading, mark: str) -> None:
    _lay_down(reading)
    if mark == ",":
        return
    reading.loose.extend(reading.waiting)
    reading.waiting.clear()
    reading.count = 1
    reading.at_start = mark != ":"


def _take_colour(reading: _Reading, colour: RGB) -> None:
    if reading.is_directive:
        reading.palette.append(colour)
    elif reading.is_listing:
        last = reading.wanted[-1]
        reading.wanted[-1] = replace(last, colours=(*last.colours, colour))
    elif reading.since_on < 4:
        reading.on_colour = colour
    else:
        reading.waiting.append(colour)


def _shaded(colour: RGB, before: str) -> RGB:
    """Know `deep blue` and `pale green` from blue and green."""
    if before in ("deep", "dark"):
        return colours.darker(colour, 0.42)
    return colours.lighter(colour, 0.45) if before in ("pale", "light", "soft", "pastel") else colour


def _follow_list(reading: _Reading, word: str) -> None:
    """Know `three mugs in red, blue and sand`: the colours after `in` belong to the mugs."""
    if word in ("in", "coloured", "colored") and reading.wanted and reading.since_subject < 3:
        reading.is_listing = True
    elif (
        word not in (",", "and", "or", "a", "deep", "dark", "light", "bright", "pale")
        and not _colour([word], 0)[0]
    ):
        reading.is_listing = False
    reading.since_subject += 1


def _take_backdrop(reading: _Reading) -> None:
    if reading.on_colour:
        _lay_down(reading)
    elif reading.waiting:
        reading.backdrop = reading.waiting.pop()
    elif reading.since_on < 4 and reading.loose:
        reading.backdrop = reading.loose.pop()


def _lay_down(reading: _Reading) -> None:
    """Take `on sand` as the backdrop once no subject has claimed the colour."""
    if reading.on_colour:
        reading.backdrop, reading.on_colour = reading.on_colour, None


def _take_subject(reading: _Reading, name: str, said: list[str]) -> None:
    phrase = " ".join(said)
    if phrase in vocabulary()["grammar"]["hints"].split(", "):
        reading.hints.add(name)
    else:
        reading.hints.discard(name)
    if reading.count == 1 and phrase not in book.words() and said[-1].endswith("s"):
        reading.count = PLURAL
    if reading.on_colour:
        reading.waiting.append(reading.on_colour)
        reading.on_colour = None
    known = next((at for at, want in enumerate(reading.wanted) if want.subject == name), None)
    taken = tuple(reading.waiting)
    if known is None:
        reading.wanted.append(Wanted(name, min(reading.count, MOST_COPIES), taken))
    else:
        old = reading.wanted[known]
        count = min(max(old.count, reading.count), MOST_COPIES)
        reading.wanted[known] = Wanted(name, count, old.colours or taken)
    reading.waiting.clear()
    reading.count = 1
    reading.since_subject = 0


def _colour(words: list[str], at: int) -> tuple[RGB | None, int]:
    if words[at].startswith("#"):
        return colours.from_hex(words[at]), 1
    two = " ".join(words[at : at + 2])
    if two in colours.named():
        return colours.named()[two], 2
    word = words[at].removesuffix("-coloured").removesuffix("-colored").removesuffix("ish")
    return colours.named().get(word) or colours.named().get(words[at]), 1


def _style(words: list[str]) -> str | None:
    """Return the most telling style: `flat` and `minimal` are said in passing, `neon` is not."""
    text = " " + " ".join(words) + " "
    found = [name for phrase, name in phrases("styles").items() if f" {phrase} " in text]
    telling = [name for name in found if name not in ("flat", "minimal", "photo")]
    return next(iter(telling or found), None)


def _settled(wanted: list[Wanted], setting: str | None) -> tuple[Wanted, ...]:
    """Leave out what the setting shows anyway, and all beyond the first few subjects."""
    subjects = book.subjects()
    things = [want for want in wanted if subjects[want.subject].place != "scene"]
    if things and setting in ("desk", "room", "window"):
        # The setting brings its own table.
        things = [want for want in things if want.subject not in ("table", "bed")] or things
    if things and setting:
        wanted = [
            want
            for want in things
            if setting not in (want.subject, subjects[want.subject].home)
            or subjects[want.subject].place == "ground"
        ]
        wanted = wanted or things
    elif things:
        wanted = things + [want for want in wanted if want not in things][:1]
    return tuple(wanted[:MOST_SUBJECTS])
