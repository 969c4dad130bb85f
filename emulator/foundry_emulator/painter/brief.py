"""What a prompt asks for: subjects and how many, colours, setting, style, framing, words to letter."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from foundry_emulator.painter import book, colours, placing, relations, scenes, unknown
from foundry_emulator.painter.colours import RGB
from foundry_emulator.painter.settling import MOST_SUBJECTS, Wanted, is_furniture, settled, stands_by_table
from foundry_emulator.painter.told_texts import free_side, texts_of
from foundry_emulator.painter.unknown import Unknown
from foundry_emulator.painter.wording import (
    MOST_COPIES,
    first,
    is_noun,
    lookup,
    number,
    phrases,
    vocabulary,
)

PLURAL = 3

_WORD = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b|[A-Za-z0-9][A-Za-z0-9'\u2019-]*|[.;:!?\n]|,")
_BREAKS = frozenset(".;:!?\n")
_WITHIN_A_LIST = frozenset({":", ",", ";", "with"})


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
    unknown: tuple[str, ...] = ()
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
    unknown: list[Unknown] = field(default_factory=list[Unknown])
    poses: list[str] = field(default_factory=list[str])
    side: str | None = None
    relation: str | None = None
    hints: set[str] = field(default_factory=set[str])
    is_directive: bool = False
    is_new_part: bool = True
    at_start: bool = True
    palette: list[RGB] = field(default_factory=list[RGB])


def read(prompt: str) -> Brief:
    """Understand a prompt."""
    texts, rest = texts_of(prompt)
    said = _WORD.findall(rest.replace("\u2019", "'"))
    words = _without_negated([word.lower() for word in said])
    reading = _Reading(words)
    _walk(reading)
    _lay_down(reading)
    reading.loose.extend(reading.waiting)
    capitals = frozenset(word.lower() for word in said if word[0].isupper())
    setting = scenes.scene(words, phrases("settings"), capitals, has_ground=reading.backdrop is not None)
    if setting == "desk" and stands_by_table(words):
        setting = "room"
    if setting in ("desk", "room") and "window" in words:
        setting = "window"
    if reading.backdrop is None and len(reading.loose) > 1 and any(want.colours for want in reading.wanted):
        reading.backdrop = reading.loose.pop()
    wanted, missing = _drawable(reading, setting, prompt)
    return Brief(
        wanted=wanted,
        colours=tuple(dict.fromkeys([*reading.loose, *reading.palette])),
        backdrop=reading.backdrop,
        setting=setting,
        hour=scenes.scene(words, phrases("hours"), capitals),
        style=_style(words),
        framing=first(words, phrases("framing")) or "centered",
        orientation=first(words, phrases("orientation")) or "square",
        texts=() if placing.is_lettering_refused(_plain(prompt)) else texts,
        unknown=missing,
        has_palette=bool(reading.palette) and not reading.loose,
        free=free_side(prompt),
    )


def _drawable(
    reading: _Reading, setting: str | None, prompt: str
) -> tuple[tuple[Wanted, ...], tuple[str, ...]]:
    """Return what to draw, stand-ins for things that nobody knows among it, and the names of those things."""
    strong = [want for want in reading.wanted if want.subject not in reading.hints]
    wanted = settled(strong or reading.wanted, setting, reading.words)
    told = [
        one
        for one in reading.unknown
        if one.is_told or not (wanted or setting) or (one.is_opening and not wanted)
    ]
    if not reading.words and prompt.strip():
        told = [Unknown(prompt)]
    names = tuple(dict.fromkeys(unknown.shown(one.name) for one in told))[:MOST_SUBJECTS]
    things = [want for want in wanted if not is_furniture(want, setting, reading.words)]
    is_scenery = all(book.subjects()[want.subject].place == "scene" for want in things)
    told_things = [one for one in told if one.is_joined or not (setting and one.is_place)]
    missed = [
        one
        for one in told_things
        if one.is_joined
        or (one.is_told and one.is_opening and one.is_first)
        or (is_scenery and (one.is_first or not things))
    ]
    if not missed:
        return _posed(wanted, reading), names
    stood_in = [
        Wanted(unknown.stand_in(one.name), one.count, one.colours, tuple(reading.poses), reading.side)
        for one in {one.name: one for one in missed}.values()
    ]
    is_leading = any(one.is_first for one in missed)
    ordered = (*stood_in, *things) if is_leading else (*things, *stood_in)
    return _posed(ordered[:MOST_SUBJECTS], reading), names


def _posed(wanted: tuple[Wanted, ...], reading: _Reading) -> tuple[Wanted, ...]:
    """Give figures a pose for each copy; where a list of poses is longer, there are more copies."""
    posed: list[Wanted] = []
    for want in wanted:
        subject = book.subjects()[want.subject]
        can_pose = subject.is_figure or subject.is_stand_in
        poses = placing.chosen_poses(want.poses, want.count, reading.words) if can_pose else ()
        posed.append(replace(want, count=min(MOST_COPIES, max(want.count, len(poses))), poses=poses))
    return tuple(posed)


def _plain(prompt: str) -> str:
    return " ".join(re.findall(r"[\w'-]+", prompt.lower().replace("\u2019", "'")))


def _without_negated(words: list[str]) -> list[str]:
    """Leave out what is not wanted: up to the comma, or after `Avoid:` all of the list."""
    negations = set(vocabulary()["grammar"]["negations"])
    kept: list[str] = []
    is_negated = is_list = False
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in _BREAKS or word in (",", "but", "with", "just", "only"):
            is_list = is_list and word in _WITHIN_A_LIST
            is_negated = is_list
        elif word in negations:
            is_negated, is_list = True, is_list or following == ":"
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
        is_told = bool(reading.wanted or reading.unknown)
        reading.is_directive = is_told and word in grammar["directives"]
        reading.at_start = False
    reading.since_on = 0 if word in grammar["on"] else reading.since_on + 1
    _follow_list(reading, word)
    if reading.wanted and not reading.is_new_part:
        reading.relation = relations.relation_at(words, at)[0] or reading.relation
    if word in _BREAKS or word == ",":
        _end_part(reading, word)
        return 1
    colour, length = _colour(words, at)
    named, covered = lookup(words, at, book.words())
    if colour and not (named and covered > length):
        _take_colour(reading, _shaded(colour, words[at - 1] if at else ""))
        return length
    if reading.is_directive:
        return 1
    if word in grammar["backdrop"]:
        _take_backdrop(reading)
        return 1
    return _thing(reading, at)


def _thing(reading: _Reading, at: int) -> int:
    """Take a subject, a pose, a side, a number or an unknown noun; return how many words it has."""
    words = reading.words
    name, length = lookup(words, at, book.words())
    if name and not _is_modifier(words, at, length):
        _take_subject(reading, name, words[at : at + length])
        return length
    pose, covered = placing.pose_at(words, at)
    side = placing.side_at(words, at)
    if pose:
        _take_pose(reading, pose, placing.share_at(words, at))
        return covered
    if side:
        _take_side(reading, side, is_back=placing.is_of_last(words, at))
    elif count := number(words[at]):
        is_one = words[at] == "pair" and bool(
            set(vocabulary()["grammar"]["pairs"]) & set(words[at + 2 :][:2])
        )
        reading.count = 1 if is_one else count
    elif not name and is_noun(words[at]):
        _take_unknown(reading, at)
    return 1


def _is_modifier(words: list[str], at: int, length: int) -> bool:
    """Say whether the subject names the kind of the next, or half a style: `rocket lamp`, `flat design`."""
    if " ".join(words[max(0, at - 1) : at + length]) in phrases("styles"):
        return True
    following, covered = lookup(words, at + length, book.words()) if at + length < len(words) else (None, 1)
    hints = vocabulary()["grammar"]["hints"].split(", ")
    is_kind = not words[at].endswith("s") and " ".join(words[at : at + length]) not in hints
    return bool(following) and is_kind and " ".join(words[at + length :][:covered]) not in hints


def _take_unknown(reading: _Reading, at: int) -> None:
    if unknown.is_head(reading.words, at):
        is_told = unknown.is_told_of(reading.words, at, reading.count)
        count = min(reading.count, MOST_COPIES)
        is_place = unknown.is_place(reading.words, at)
        words = reading.words
        own = _own_colours(reading, at) if is_told else ()
        reading.unknown.append(
            Unknown(
                words[at], count, is_told, not reading.wanted, is_place,
                unknown.is_joined(words, at), unknown.is_opening(words, at), own,
            )
        )  # fmt: skip
        reading.count = 1


def _own_colours(reading: _Reading, at: int) -> tuple[RGB, ...]:
    """Take the colour that stands right before a noun: nothing after it has that."""
    if at == 0 or not reading.waiting or _colour(reading.words, at - 1)[0] is None:
        return ()
    return (reading.waiting.pop(),)


def _take_pose(reading: _Reading, pose: str, share: int) -> None:
    """Give a pose to the last subject, to `share` of its copies if only those are meant, or to the next."""
    last = reading.wanted[-1] if reading.wanted else None
    if last and 0 < share < last.count:
        reading.wanted[-1] = replace(last, poses=placing.shared_poses(last.poses, last.count, pose, share))
        reading.count = 1
    elif reading.wanted and pose not in reading.wanted[-1].poses:
        reading.wanted[-1] = replace(reading.wanted[-1], poses=(*reading.wanted[-1].poses, pose))
    elif not reading.wanted and pose not in reading.poses:
        reading.poses.append(pose)


def _take_side(reading: _Reading, side: placing.Side, *, is_back: bool = False) -> None:
    """Give a side to the last subject, or to the next; `is_back`: "put it low" speaks of the last."""
    if reading.wanted and (is_back or (reading.since_subject < 8 and not reading.is_new_part)):
        last = reading.wanted[-1]
        reading.wanted[-1] = replace(last, side=placing.joined(last.side, side.side))
        reading.side = side.next_side
    else:
        reading.side = placing.joined(reading.side, side.side)


def _end_part(reading: _Reading, mark: str) -> None:
    _lay_down(reading)
    reading.is_new_part, reading.relation = True, None
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
    if reading.relation and reading.wanted:
        relations.related(reading.wanted, reading.relation, name)
    name = relations.base_for(name, reading.wanted)
    reading.relation = None
    known = next((at for at, want in enumerate(reading.wanted) if want.subject == name), None)
    taken = tuple(reading.waiting)
    poses = tuple(reading.poses)
    if known is None:
        reading.wanted.append(Wanted(name, min(reading.count, MOST_COPIES), taken, poses, reading.side))
    else:
        old = reading.wanted[known]
        count = min(max(old.count, reading.count), MOST_COPIES)
        side = old.side or reading.side
        reading.wanted[known] = replace(
            old, count=count, colours=old.colours or taken, poses=old.poses or poses, side=side
        )
    reading.poses.clear()
    reading.side, reading.is_new_part = None, False
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
