"""How things stand to each other, as the prompt says: on, under, behind, in front of, above."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from foundry_emulator.painter import book, brief, compose, layout

AREA = layout.Area(0, 100, 1000, 800, True, True, 500)


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


def placed(prompt: str) -> dict[str, list[Box]]:
    """Return where every thing of a prompt is drawn, in the order in which it is drawn."""
    found: dict[str, list[Box]] = {}
    for slot in layout.slots(brief.read(prompt).wanted, AREA, 1.0):
        left, top, right, bottom = (side * slot.side / 100 for side in book.subjects()[slot.want.subject].box)
        box = Box(slot.left + left, slot.top + top, slot.left + right, slot.top + bottom)
        found.setdefault(slot.want.subject, []).append(box)
    return found


@pytest.mark.parametrize(
    ("prompt", "base"),
    [
        ("a teal mug on top of a stack of books", "book stack"),
        ("an apple on a book", "lying book"),
        ("a bird atop a box", "box"),
        ("Three apples on a chair", "chair"),
        ("a cat sitting on a table", "table"),
    ],
)
def test_what_is_on_a_thing_stands_where_that_bears_it(prompt: str, base: str) -> None:
    found = placed(prompt)
    (below,), subject = found.pop(base), book.subjects()[base]
    seat = subject.box[1] if subject.seat is None else subject.seat
    share = (seat - subject.box[1]) / (subject.box[3] - subject.box[1])
    (copies,) = found.values()
    for box in copies:
        assert box.bottom == pytest.approx(below.top + share * (below.bottom - below.top))
        assert below.left < box.middle < below.right


@pytest.mark.parametrize(
    "prompt", ["a cat under a table", "two balls beneath a chair", "a boat under a bridge"]
)
def test_what_is_under_a_thing_has_room_there(prompt: str) -> None:
    found = placed(prompt)
    (below, *_), (over,) = found.values()
    base = book.subjects()[[*found][1]]
    assert base.hollow
    ceiling = over.top + (base.hollow - base.box[1]) / (base.box[3] - base.box[1]) * (over.bottom - over.top)
    assert over.left < below.left < below.right < over.right
    assert ceiling < below.top
    assert below.bottom == pytest.approx(over.bottom)


@pytest.mark.parametrize(
    ("prompt", "back", "front"),
    [
        ("a bicycle behind a tree", "bicycle", "tree"),
        ("a fox behind a rock", "fox", "boulder"),
        ("a dog in front of a house", "house", "dog"),
        ("a robot behind two boxes", "robot", "box"),
        ("a cat in front of two houses", "house", "cat"),
    ],
)
def test_what_is_behind_is_drawn_first_and_partly_hidden(prompt: str, back: str, front: str) -> None:
    found = placed(prompt)
    assert [*found] == [back, front]
    rear, near = found[back][0], found[front][0]
    assert rear.bottom < near.bottom
    overlap = min(rear.right, near.right) - max(rear.left, near.left)
    assert 0 < overlap < max(rear.right - rear.left, near.right - near.left)
    assert rear.left < near.left or near.right < rear.right


def test_others_stand_beside_a_pair() -> None:
    found = placed("a mug on top of a stack of books next to a lamp")
    assert max(found["mug"][0].right, found["book stack"][0].right) < found["lamp"][0].left


@pytest.mark.parametrize(
    "prompt",
    [
        "A cat sleeps. Under it all, a tree.",
        "a cat, behind the scenes of a house",
        "a robot on a red background",
    ],
)
def test_words_of_another_part_relate_nothing(prompt: str) -> None:
    assert all(want.relation is None for want in brief.read(prompt).wanted)


@pytest.mark.parametrize(
    ("prompt", "scene"), [("a bird above a house", "meadow"), ("a bird on a box", "studio")]
)
def test_what_stands_on_the_ground_says_where_both_are(prompt: str, scene: str) -> None:
    assert compose.setting_of(brief.read(prompt)) == scene
