"""Placing: the poses that a prompt names and the sides of the picture that it gives to its subjects."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from foundry_emulator.painter.pen import Tile
from foundry_emulator.painter.wording import number, phrases, vocabulary

_SIDES = {
    "left": "left",
    "right": "right",
    "top": "top",
    "bottom": "bottom",
    "upper": "top",
    "lower": "bottom",
}
_HEIGHTS = {"low": "bottom", "high": "top"}
_OPPOSITE = {"left": "right", "right": "left"}
_LEADING = frozenset(("the", "on", "at", "in", "to", "far", "top", "bottom", "upper", "lower"))
_ROOM = frozenset(("free", "negative", "empty", "blank", "copy", "white", "space", "room", "area", "leave"))
_WHOLE = frozenset(("picture", "frame", "image", "scene", "canvas", "photo", "composition", "page"))
_OBJECT = frozenset(("a", "an", "the", "his", "her", "their", "its", "two", "three"))
_ENDS = frozenset(".;:!?\n")
_FAMILIAR = ("standing", "running", "jumping", "waving", "sitting", "lying")
"""The poses taken where a number of them is asked for and none is named."""


@dataclass(frozen=True)
class Side:
    """A side that a subject is to stand on; `next_side` is for the subject that it is said to be beside."""

    side: str
    next_side: str | None = None


@dataclass(frozen=True)
class Pose:
    """How a figure is held: turned clockwise (degrees), stretched and lifted (shares of its height)."""

    turn: float = 0.0
    stretch: float = 1.0
    lift: float = 0.0
    is_mirrored: bool = False


POSES = {
    "standing": Pose(),
    "walking": Pose(turn=6),
    "running": Pose(turn=15, lift=0.05),
    "jumping": Pose(turn=-5, stretch=1.06, lift=0.26),
    "sitting": Pose(stretch=0.74),
    "lying": Pose(turn=90),
    "waving": Pose(turn=-10),
    "dancing": Pose(turn=-16, stretch=1.04, lift=0.04),
    "flying": Pose(turn=34, lift=0.34),
    "falling": Pose(turn=155, lift=0.2),
    "bowing": Pose(turn=30, stretch=0.94),
    "leaning": Pose(turn=-12),
    "crouching": Pose(stretch=0.62),
    "upside down": Pose(turn=180),
    "turned": Pose(is_mirrored=True),
}


def pose_at(words: list[str], at: int) -> tuple[str | None, int]:
    """Return the pose that a phrase names, and its length in words."""
    for length in (2, 1):
        if name := phrases("poses").get(" ".join(words[at : at + length])):
            # Who flies a kite does not fly.
            is_done_to = name == "flying" and bool(_OBJECT & set(words[at + length : at + length + 1]))
            return (None if is_done_to else name), length
    return None, 1


def share_at(words: list[str], at: int) -> int:
    """Return of how many a pose is said, as in `three birds, one of them flying`; 0: of all of them."""
    while at > 0 and words[at - 1] in ("of", "them", "is", "are"):
        at -= 1
    said = words[at - 1] if at else ""
    return 1 if said == "one" else number(said)


def shared_poses(poses: tuple[str, ...], count: int, pose: str, share: int) -> tuple[str, ...]:
    """Give a pose to so many of the copies, the last that stand: the others keep theirs."""
    each = list(poses) if len(poses) == count else ["standing"] * count
    free = [copy for copy in reversed(range(count)) if each[copy] == "standing"]
    for copy in free[:share]:
        each[copy] = pose
    return tuple(each)


def chosen_poses(named: tuple[str, ...], count: int, words: list[str]) -> tuple[str, ...]:
    """Return a pose for each copy: those named, and familiar ones where only their number was said."""
    is_listing = "poses" in words
    if is_listing and count > len(named):
        others = tuple(pose for pose in _FAMILIAR if pose not in named)
        return (named + others)[:count]
    return named if is_listing or count > 1 else named[-1:]


def side_at(words: list[str], at: int) -> Side | None:
    """Return the side that the word names for a subject; a side left free for text is none."""
    if (
        words[at] in _HEIGHTS
        and words[at + 1 : at + 3] == ["in", "the"]
        and _WHOLE & set(words[at + 3 :][:1])
    ):
        return Side(_HEIGHTS[words[at]])
    side = _SIDES.get(words[at])
    before = words[max(0, at - 6) : at]
    is_beside = side in _OPPOSITE and words[at + 1 : at + 2] == ["of"]
    if side is None or not (is_beside or _LEADING & set(before[-1:])) or _ROOM & set(before):
        return None
    if words[at + 1 : at + 2] == ["side"]:
        at += 1
    if words[at + 1 : at + 2] != ["of"] or _WHOLE & set(words[at + 2 : at + 5]):
        return Side(side)
    return Side(side, _OPPOSITE[side]) if side in _OPPOSITE else None


def is_of_last(words: list[str], at: int) -> bool:
    """Say whether a side is said of what was named last, as in `put it low, on the right`."""
    for before in reversed(words[:at]):
        if before in _ENDS:
            return False
        if before in ("it", "them"):
            return True
    return False


def joined(old: str | None, side: str) -> str:
    """Return both halves of `top` and `right`; the later word wins where they contradict each other."""
    flat = {"left", "right"}
    kept = [part for part in (old or "").split() if (part in flat) != (side in flat)]
    return " ".join([*kept, side])


def posed(tile: Tile, pose: Pose) -> Tile:
    """Hold a drawn figure as the pose says, its foot on the same line."""
    image = tile.image
    if pose.is_mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if pose.stretch != 1:
        image = image.resize((image.width, max(1, round(image.height * pose.stretch))))
    if pose.turn:
        image = image.rotate(-pose.turn, Image.Resampling.BICUBIC, expand=True)
    if (box := image.getbbox()) is not None and pose != Pose():
        image = image.crop(box)
    left = tile.left + (tile.image.width - image.width) // 2
    return Tile(image, left, tile.top + tile.image.height - image.height)


def is_lettering_refused(prompt: str) -> bool:
    """Say whether the prompt wants no words in the picture at all: "no other text" allows what it quotes."""
    return any(f" {phrase} " in f" {prompt} " for phrase in vocabulary()["grammar"]["wordless"])
