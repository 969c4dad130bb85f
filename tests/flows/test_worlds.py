"""A real SIGKILL in each way of posting and each world, met as an endpoint that was probed and nothing more.

The rows bring together every world with every way and every failpoint with every way. CI goes through every
eighth of them, in which each way meets another eighth of the worlds; `make soak` through all rows, and
through all three at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import pytest

from assetmill.agents.gateway import WAYS, Way
from tests.flows.accounts import read_books
from tests.flows.crash_bench import CASES, DOUBT, LOST, REFUSED, Bench, open_bench
from tests.flows.worlds import LAG_S, WORLDS, World, unanswered

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]
RUNS_TO_FINISH = 2
CI_STEP = 8
"""A row takes about five seconds of a core: all of them would be half of what CI may take."""
NOT_SHOWN = "does not show the response yet"


class Row(NamedTuple):
    """A case: `way` is what the profile says."""

    world: str
    way: str
    policy: str
    kind: str
    point: str


def rows() -> Iterator[Row]:
    """Yield rows in which every world and every failpoint meets every way, under either policy."""
    policies = itertools.cycle(("hold", "fence"))
    for way in (*WAYS, "auto"):
        worlds = [name for name in WORLDS if way != "auto" or changes_way(WORLDS[name])]
        # In the background every point is tried beside this.
        length = len(worlds) if way in ("background", "auto") else max(len(worlds), len(CASES))
        for place in range(length):
            kind, point = CASES[(place * 13) % len(CASES)]
            yield Row(worlds[place % len(worlds)], way, next(policies), kind, point)


def changes_way(world: World) -> bool:
    """Whether a profile that leaves the way to the endpoint ends with streams."""
    is_taken = not (world.refusal("background") or world.is_on_the_line("background"))
    return not is_taken and not world.refusal("stream")


def effective(world: World, way: str) -> Way:
    """Return the way in which posts go once the endpoint has been probed."""
    if way != "auto":
        return cast(Way, way)
    return "stream" if changes_way(world) else "background"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("home")) as made:
        yield made


def test_every_answer_of_the_emulator_is_some_world_s() -> None:
    assert unanswered() == set()


def test_the_rows_bring_every_world_and_every_point_to_every_way() -> None:
    found = list(rows())
    assert {(row.world, row.way) for row in found} >= set(itertools.product(WORLDS, WAYS))
    points = {(row.kind, row.point, row.way) for row in found}
    assert points >= {(kind, point, way) for kind, point in CASES for way in WAYS[1:]}
    assert {row.policy for row in found} == {"hold", "fence"}


def settle(bench: Bench, row: Row, case: str, options: dict[str, Any]) -> str:
    """Run again until there is a commit, or what more runs would not change."""
    ended = ""
    for _ in range(RUNS_TO_FINISH):
        ended = bench.run(row.kind, case, row.policy, **options)
        if ended == "commit" or NOT_SHOWN in ended:
            break
        bench.control.post("clock", {"advance_s": LAG_S})  # what lags is listed by now
    return ended


def live(bench: Bench, row: Row) -> None:
    """Die once, go on, and hold the end against the bill, the ledger and what the world allows."""
    world, case = WORLDS[row.world], bench.case()
    way = effective(world, row.way)
    bench.control.post("reset")
    bench.control.post("settings", world.switches)
    options: dict[str, Any] = {**bench.service, "way": row.way, "lane": world.lane}
    # Only what still runs when its caller leaves shows whether it goes on.
    bench.control.post("settings", {"latency_s": 1.0 if way != "background" else 0.0})
    probed = bench.run("probe", case, row.policy, **options)
    bench.control.post("settings", {"latency_s": 0.0})
    if refusal := world.refusal(way):
        assert refusal in bench.run(row.kind, case, row.policy, **options)
        assert bench.pictures() == []
        return
    may_fence = row.policy == "fence" and not world.refuses_fence(way)
    assert probed == ("may fence" if may_fence else "refuses to fence")
    bench.control.faults(*([REFUSED] if row.kind == "refused" else [LOST] if row.kind == "lost" else []))
    died = bench.run(row.kind, case, row.policy, row.point, **options)
    # Where a list does not tell at once, a lost answer or a refusal ends in doubt before the point.
    assert died == "SIGKILL" or (died == "doubt" and (world.proves_nothing or world.lags)), died
    ended = settle(bench, row, case, options)
    check_end(bench, row, case, ended, may_fence=may_fence)


def check_end(bench: Bench, row: Row, case: str, ended: str, *, may_fence: bool) -> None:
    world, way = WORLDS[row.world], effective(WORLDS[row.world], row.way)
    stages = 2 if row.kind == "tools" else 1
    is_open = row.point in DOUBT[row.kind] and not (may_fence and row.kind != "turns")
    is_lossy = world.loses_its_line(way) or world.proves_nothing or world.refuses_lane
    if not is_lossy:
        assert ended == ("doubt" if is_open else "commit")
    assert ended in ("commit", "doubt") or (world.loses_its_line(way) and NOT_SHOWN in ended), ended
    books = read_books(bench.home / "stores" / case)
    billed = [str(charge["response_id"]) for charge in bench.pictures()]
    gone = [response_id for response_id in billed if bench.is_gone(response_id)]
    good = books.check(billed, gone, open_outcomes=1 if ended == "doubt" else 0)
    assert good == stages or ended != "commit"
    assert may_fence or "fenced" not in {verdict.kind for verdict in books.verdicts.values()}


@pytest.mark.parametrize("row", list(rows())[::CI_STEP], ids=" | ".join)
def test_a_crash_in_a_world_pays_once_and_loses_nothing(bench: Bench, row: Row) -> None:
    live(bench, row)


@pytest.mark.soak
@pytest.mark.parametrize("row", list(rows()), ids=" | ".join)
def test_a_crash_in_every_row_pays_once_and_loses_nothing(bench: Bench, row: Row) -> None:
    live(bench, row)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("way", [*WAYS, "auto"])
def test_a_crash_at_every_point_in_every_way_and_world(bench: Bench, way: str, world: str) -> None:
    every = itertools.product(("hold", "fence"), CASES) if way != "auto" or changes_way(WORLDS[world]) else ()
    for policy, (kind, point) in every:
        row = Row(world, way, policy, kind, point)
        try:
            live(bench, row)
        except BaseException as error:
            error.add_note(" | ".join(row))
            raise
