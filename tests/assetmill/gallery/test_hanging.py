"""What hangs on a wall while its work goes on, ends, fails to be read, and begins again."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from assetmill.errors import StoreUnavailable
from assetmill.gallery.hanging import Hanging
from assetmill.gallery.tiles import Slots, Tile, Wall


@dataclass
class Work:
    """Work of one stage that says what it is told to."""

    label: str
    state: str = "drawing"
    is_over: bool = False
    fails: bool = False
    more: list[str] = field(default_factory=list[str])

    def look(self) -> Slots:
        if self.fails:
            raise StoreUnavailable("the store does not answer")
        return {name: (Tile(name, name, self.state),) for name in (self.label, *self.more)}


def hanging(*works: Work) -> Hanging:
    hung = Hanging(Wall("Run", "run", ()))
    for work in works:
        hung.join(work)
    return hung


def states(hung: Hanging) -> list[str]:
    return [tile.state for tile in hung.tiles]


def test_the_end_of_one_work_hangs_whatever_another_meets() -> None:
    first, second = Work("first"), Work("second")
    hung = hanging(first, second)
    seen = hung.newest
    first.state, first.is_over, first.more, second.fails = "output", True, ["third"], True
    with pytest.raises(StoreUnavailable):
        hung.look()
    assert states(hung) == ["output", "drawing", "output"]
    assert hung.since(seen) == [0, 2]
    second.fails, second.state, second.is_over = False, "output", True
    assert hung.look()
    assert states(hung) == ["output"] * 3
    assert not hung.is_live


def test_that_work_is_over_is_not_seen_before_its_last_tiles() -> None:
    work = Work("first")
    hung = hanging(work)
    work.is_over, work.state = True, "output"
    # It has been looked at and has not been hung: whoever asks now has to ask again.
    assert hung.is_live
    assert states(hung) == ["drawing"]
    hung.look()
    assert (hung.is_live, states(hung)) == (False, ["output"])


def test_a_change_has_its_number_once_it_hangs() -> None:
    class Asks(Work):
        def look(self) -> Slots:
            # As a page that is loaded while the store is read for another one.
            told.append(hung.now() if hung else None)
            return super().look()

    told: list[tuple[tuple[Tile, ...], int] | None] = []
    hung: Hanging | None = None
    work, other = Work("first"), Asks("second")
    hung = hanging(work, other)
    work.state = "output"
    other.state = "output"
    hung.look()
    ((tiles, newest),) = [one for one in told if one]
    assert [tile.state for tile in tiles] == ["output", "drawing"]
    assert hung.since(newest) == [1]


def test_what_was_over_is_looked_at_again_and_may_go_on() -> None:
    work = Work("first", "output", is_over=True)
    hung = hanging(work)
    assert not hung.is_live
    work.state, work.is_over = "queued", False
    hung.resume()
    assert (hung.is_live, states(hung)) == (True, ["queued"])
