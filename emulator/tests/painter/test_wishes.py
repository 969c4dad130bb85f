"""What a newcomer asks for: poses, counts, sides, the scene that is meant, no lettering, stand-ins."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from foundry_emulator.painter import book, brief, colours, layout, unknown
from foundry_emulator.painter.image import ImageRequest, Painted, paint
from numpy.typing import NDArray
from PIL import Image


def painted(prompt: str) -> Painted:
    return paint(ImageRequest(prompt=prompt, size="1024x640", quality="low"))


def pixels(picture: Painted) -> NDArray[np.int16]:
    with Image.open(BytesIO(picture.data)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)


def shape(picture: Painted) -> NDArray[np.bool_]:
    """Where the subject stands, whatever its colour: what differs from the ground at the picture's side."""
    seen = pixels(picture)
    return np.abs(seen - seen[:, 4:5]).max(axis=-1) > 40


@pytest.mark.parametrize("figure", ["robot", "fox", "person", "knight", "zorblax"])
def test_poses_are_told_apart_by_shape(figure: str) -> None:
    drawn = [
        shape(painted(f"a red {figure} {pose}"))
        for pose in ("standing", "jumping", "sitting", "lying", "waving")
    ]
    for place, one in enumerate(drawn):
        for other in drawn[place + 1 :]:
            assert (one ^ other).mean() > 0.01


def test_a_list_of_poses_gives_a_figure_for_each() -> None:
    (fox,) = brief.read("Three poses of a fox: standing, running, sleeping").wanted
    assert (fox.count, fox.poses) == (3, ("standing", "running", "lying"))
    (robot,) = brief.read("four poses of a robot").wanted
    assert robot.count == len(set(robot.poses)) == 4
    cat, dog = brief.read("a cat sitting and a dog jumping").wanted
    assert (cat.poses, dog.poses) == (("sitting",), ("jumping",))


@pytest.mark.parametrize(
    ("prompt", "poses"),
    [
        ("three birds, one flying", ["flying", "standing", "standing"]),
        ("Four foxes in the snow, two of them sleeping", ["lying", "lying", "standing", "standing"]),
        ("three cats, one sitting and two jumping", ["jumping", "jumping", "sitting"]),
        ("three birds flying", ["flying"]),
        ("one bird flying", ["flying"]),
    ],
)
def test_a_pose_said_of_some_is_of_those_alone(prompt: str, poses: list[str]) -> None:
    (figure,) = brief.read(prompt).wanted
    assert sorted(figure.poses) == poses
    assert len(figure.poses) in {1, figure.count}


def test_a_thing_is_not_posed_by_the_name_of_its_kind() -> None:
    (shoe,) = brief.read("a running shoe").wanted
    (lamp,) = brief.read("a standing lamp").wanted
    assert (shoe.poses, lamp.poses) == ((), ())


@pytest.mark.parametrize(
    ("prompt", "left", "right"),
    [
        ("a cat to the left of a dog", "cat", "dog"),
        ("a cat to the right of a dog", "dog", "cat"),
        ("On the right a lamp, on the left a plant", "plant", "lamp"),
        ("a dog on the left, a cat on the right", "dog", "cat"),
    ],
)
def test_two_things_stand_on_the_sides_that_were_named(prompt: str, left: str, right: str) -> None:
    sides = {want.subject: want.side for want in brief.read(prompt).wanted}
    assert sides == {left: "left", right: "right"}
    own = {"cat": "#e08a3c", "dog": "#b77d4d"}
    if left in own:
        ground = pixels(painted(prompt))
        near = {
            name: np.abs(ground - np.array(colours.from_hex(code))).max(axis=-1) < 8
            for name, code in own.items()
        }
        middles = {name: np.argwhere(found)[:, 1].mean() for name, found in near.items()}
        assert middles[left] < middles[right]


@pytest.mark.parametrize(
    ("side", "rows", "columns"), [("top right", 0, 1), ("bottom left", 1, 0), ("top left", 0, 0)]
)
def test_one_thing_goes_to_the_corner_that_was_named(side: str, rows: int, columns: int) -> None:
    seen = np.argwhere(shape(painted(f"a red mug in the {side} corner of the picture")))
    middle = seen.mean(axis=0) / (640, 1024)
    assert (middle[0] > 0.5, middle[1] > 0.5) == (bool(rows), bool(columns))


@pytest.mark.parametrize(
    "said", ["in the lower right", "low in the picture, on the right", "on the right, low in the picture"]
)
def test_a_further_sentence_says_where_a_thing_stands(said: str) -> None:
    (lamp,) = brief.read(f"Draw a lamp. Put it {said}; leave the upper left empty, for words.").wanted
    assert set((lamp.side or "").split()) == {"bottom", "right"}


def test_room_left_for_a_headline_is_no_side_of_a_thing() -> None:
    (mug,) = brief.read("a mug with free space on the left").wanted
    assert mug.side is None


@pytest.mark.parametrize(
    ("prompt", "setting"),
    [
        ("Fjord reading lamp on a birch desk, product photo", "desk"),
        ("Ocean backpack in a forest", "forest"),
        ("A Beach chair in the snow", "snow"),
        ("Forest candle", None),
        ("The Alpine bottle on a kitchen counter by a window", "window"),
        ("a boat on a lake", "river"),
        ("a desk lamp", "desk"),
        ("mountains at dawn", "mountains"),
    ],
)
def test_the_scene_is_the_place_and_not_the_name_of_the_product(prompt: str, setting: str | None) -> None:
    assert brief.read(prompt).setting == setting


def test_an_hour_in_the_name_of_a_product_is_no_hour() -> None:
    assert brief.read("Sunset headphones on a white background").hour is None
    assert brief.read("Sunset headphones at dusk").hour == "dusk"


def test_a_kind_word_before_a_thing_is_not_drawn_beside_it() -> None:
    assert [want.subject for want in brief.read("a moon lamp on a desk").wanted] == ["lamp"]
    assert [want.subject for want in brief.read("a moon and a lamp").wanted] == ["moon", "lamp"]


@pytest.mark.parametrize(
    "words",
    ["no lettering", "without lettering", "without any text", "no text", "text-free", "no words, no logos"],
)
def test_lettering_that_was_refused_is_not_drawn(words: str) -> None:
    assert brief.read(f'Product photo of the "Fjord" lamp, {words}').texts == ()
    assert brief.read(f"A stapler, {words}").texts == ()


def test_no_other_text_still_allows_what_is_quoted() -> None:
    assert brief.read('A poster with the slogan "Slow light", no other text').texts == ("Slow light",)


@pytest.mark.parametrize(
    "prompt", ["a zorblax in emerald", "a stapler on a desk", "an accordion, flat design"]
)
def test_an_unknown_thing_is_a_plain_shape_without_letters(
    prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lettered(*_: object, **__: object) -> None:
        raise AssertionError("lettered")

    monkeypatch.setattr("foundry_emulator.painter.compose.letter", lettered)
    picture = painted(prompt)
    assert picture.unknown == (prompt.split()[1].strip(","),)
    assert shape(picture).mean() > 0.04


@pytest.mark.parametrize(
    ("prompt", "stood_in"),
    [
        ("Aurora kettle beside a loaf of bread on a wooden counter", ("kettle", "loaf")),
        ("A gramophone between two candles", ("gramophone",)),
        ("a green bottle at the left, a yellow banana at the right", ("banana",)),
        ("a person with a hat and a coat", ()),
    ],
)
def test_an_unknown_thing_of_its_own_is_drawn_beside_known_ones(
    prompt: str, stood_in: tuple[str, ...]
) -> None:
    drawn = {want.subject: want.colours for want in brief.read(prompt).wanted}
    assert set(map(unknown.stand_in, stood_in)) == set(drawn) & set(book.stand_ins())
    if "banana" in stood_in:
        assert drawn[unknown.stand_in("banana")] == (colours.named()["yellow"],)


def test_the_end_of_a_word_is_no_thing() -> None:
    read = brief.read("Three poses of a robot: standing, walking, lying, beside a xylophone")
    assert [want.subject for want in read.wanted] == ["robot", unknown.stand_in("xylophone")]
    assert read.wanted[0].poses == ("standing", "walking", "lying")


@pytest.mark.parametrize(
    ("words", "free", "side"),
    [
        ("Put it low in the picture; the upper third stays empty, for words.", "top", "bottom"),
        ("Leave the left half clear.", "left", None),
        ("Keep a blank right side.", "right", None),
    ],
)
def test_a_part_of_the_picture_that_is_to_stay_empty_does(words: str, free: str, side: str | None) -> None:
    read = brief.read(f"Draw a lamp on a desk. {words}")
    assert (read.free, read.unknown, read.wanted[0].side) == (free, (), side)
    seen = np.argwhere(shape(painted(f"A red mug. {words}")))
    (top, left), right = seen.min(axis=0) / (640, 1024), seen[:, 1].max() / 1024
    assert {"top": top > 0.33, "left": left > 0.33, "right": right < 0.67}[free]


def test_unknown_things_differ_and_are_told() -> None:
    first, second = painted("a zorblax in emerald"), painted("a quibbleflux in emerald")
    assert (np.abs(pixels(first) - pixels(second)).max(axis=-1) > 12).mean() > 0.01
    assert painted("a harmonium and a theodolite on a table").unknown == ("harmonium", "theodolite")
    assert painted("five red apples in a bowl").unknown == ("bowl",)
    assert painted("一只猫").unknown == ("一只猫",)


@pytest.mark.parametrize(
    "prompt",
    ["a calm forest at dusk", "three teal mugs on a sand background", "a lamp on a birch desk, warm light"],
)
def test_what_is_known_tells_nothing(prompt: str) -> None:
    assert painted(prompt).unknown == ()


@pytest.mark.parametrize(("said", "count"), [("seven", 7), ("eleven", 11), ("15", 15), ("twenty", 20)])
def test_counts_are_drawn_as_asked(said: str, count: int) -> None:
    assert [want.count for want in brief.read(f"{said} mugs").wanted] == [count]


@pytest.mark.parametrize(
    "prompt", ["a navy poster about alpha and a red poster about alpha", "a mug", "a badge"]
)
def test_two_rough_pictures_of_one_wish_are_two_pictures(prompt: str) -> None:
    drawn = {
        paint(ImageRequest(prompt=f"Draw {prompt}, variant {letter}.", size="1024x1024", quality="low")).data
        for letter in "ABC"
    }
    assert len(drawn) == 3


def test_copies_that_have_no_room_behind_each_other_stand_side_by_side() -> None:
    (fox,) = brief.read("four poses of a fox, no lettering").wanted
    narrow = layout.Area(0, 300, 1000, 900, is_on_floor=True, may_rise=False, depth=60)
    placed = layout.slots([fox], narrow, 1.0)
    assert len({slot.left for slot in placed}) == 4
    assert len({round(slot.top) for slot in placed}) == 1
    assert all(later.left - one.left > 0.9 * one.side for one, later in pairwise(placed))


def test_all_copies_stand_on_the_side_that_is_said_of_them() -> None:
    wanted = brief.read("three red apples left of a blue cup").wanted
    placed = layout.slots(wanted, layout.Area(0, 100, 1000, 800, True, True, 500), 1.0)
    cup = next(slot for slot in placed if slot.want.subject == "mug")
    apples = [slot for slot in placed if slot.want.subject == "apple"]
    assert len(apples) == 3
    assert all(slot.left + slot.side * 0.8 < cup.left for slot in apples)


@pytest.mark.parametrize(
    ("prompt", "subjects", "texts"),
    [
        ('a poster that says "Open on Sunday" in big letters', (), ("Open on Sunday",)),
        ("logo of a coffee shop called Nordlys", (("mug", 1),), ("Nordlys",)),
        ("a dog called Rex", (("dog", 1),), ()),
        ("a stack of three books and a pair of glasses", (("book", 3), ("glasses", 1)), ()),
        ("a wooden chair beside a round table", (("chair", 1), ("table", 1)), ()),
    ],
)
def test_words_that_only_say_how_are_no_things(
    prompt: str, subjects: tuple[tuple[str, int], ...], texts: tuple[str, ...]
) -> None:
    read = brief.read(prompt)
    assert tuple((want.subject, want.count) for want in read.wanted) == subjects
    assert (read.texts, read.unknown) == (texts, ())


def test_who_flies_a_kite_stands() -> None:
    (child,) = brief.read("a child flying a kite on the beach").wanted
    (bird,) = brief.read("a bird flying over the sea").wanted
    assert (child.poses, bird.poses) == ((), ("flying",))


def test_a_background_that_is_told_is_not_replaced_by_the_name_of_the_thing() -> None:
    assert brief.read("a pair of hiking boots on a white background").setting is None
    assert brief.read("a pair of hiking boots").setting == "mountains"


def test_what_only_says_where_gets_no_stand_in_where_a_scene_is_known() -> None:
    read = brief.read("a snowy village street with warm lights in the windows")
    assert (read.setting, read.wanted) == ("snow", ())
