"""A real SIGKILL at every effect of the money protocol, against the emulator, whose bill is the witness.

For every point: run, die there, run again. The second run has the commit, its bytes are in the store, and the
bill has one picture per stage; or it says that it is in doubt, exactly where the list below says so.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from foundry_emulator.server import running
from foundry_emulator.steps import Steps, Turn
from foundry_emulator.testing.calls import Control
from foundry_emulator.testing.scripted import decide, toolbox

from assetmill.stage.failpoints import names

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]

CREATE = "responses.create"
REFUSED = {"op": CREATE, "fault": "rate_limit", "retry_after_s": 0.1}
LOST = {"op": CREATE, "fault": "drop_after_accept"}


def both(*effects: str) -> list[str]:
    return [f"{effect}.{when}" for effect in effects for when in ("before", "after")]


POINTS = {
    "plain": [
        *both("store.create.m", "gateway.ensure_agent", "gateway.create_conversation", "store.create.i"),
        *both("gateway.create_response", "store.create.c", "gateway.follow_response", "store.put.b"),
        *both("store.create.w", "store.create.s", "store.create.r", "store.create.h"),
        "gateway.create_response.accepted",
    ],
    "refused": both("gateway.list_responses", "gateway.delete_conversation", "store.create.x"),
    "lost": both("gateway.list_responses", "store.create.c"),
    "turns": [
        *both("gateway.get_response", "store.create.o", "store.create.y"),
        *(f"{point}:2" for point in both("store.create.i", "gateway.create_response", "store.create.c")),
    ],
    "tools": [
        *both("gateway.upload_file", "gateway.has_file", "gateway.create_vector_store"),
        *both("gateway.has_vector_store", "gateway.list_container_files", "gateway.read_container_file"),
        *both("store.create.u", "store.create.f"),
    ],
    "direct": [
        *both("store.create.m", "store.create.i", "gateway.draw", "store.put.b", "store.create.w"),
        *both("store.create.c", "store.create.s"),
    ],
}
# What the process knew died with it, and the service has nothing to show: docs/decisions/0004.
NOT_SENT = {"store.create.i.after", "gateway.create_response.before"}
FORGOTTEN = {*both("gateway.list_responses", "gateway.delete_conversation"), "store.create.x.before"}
DOUBT = {
    "plain": NOT_SENT,
    "refused": FORGOTTEN,
    "lost": set[str](),
    "turns": {f"{point}:2" for point in NOT_SENT},
    "tools": set[str](),
    # The reply came once and died with the process: nothing can be asked for it again.
    "direct": {"store.create.i.after", *both("gateway.draw", "store.put.b"), "store.create.w.before"},
}
UNPAID = {"store.create.i.after", "gateway.draw.before"}
CASES = [(kind, point) for kind, points in POINTS.items() for point in points]


class Bench:
    """An emulator, and a driver that runs stages on it in processes of their own."""

    def __init__(self, home: Path, control: Control, driver: subprocess.Popen[str]) -> None:
        self._home, self.control, self._driver = home, control, driver
        self._cases = itertools.count(1)

    def case(self) -> str:
        return f"case-{next(self._cases)}"

    def run(self, kind: str, case: str, policy: str, failpoint: str = "") -> str:
        order = {
            "kind": kind,
            "case": case,
            "policy": policy,
            "failpoint": failpoint,
            "home": str(self._home),
        }
        assert self._driver.stdin
        assert self._driver.stdout
        self._driver.stdin.write(json.dumps(order) + "\n")
        self._driver.stdin.flush()
        return str(json.loads(self._driver.stdout.readline())["end"])

    def pictures(self) -> list[dict[str, Any]]:
        return [charge for charge in self.control.bill() if charge["kind"] == "image"]


def once(turn: Turn) -> Steps:
    """Follow the script in the prompt, but only until the agent's calls have been answered."""
    if any(item.get("type") == "function_call_output" for item in turn.history):
        turn = replace(turn, text="say:done")
    return decide(turn)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "tests.flows.crash_driver"]
    with (
        running(home / "emulator", toolbox=replace(toolbox(), decide=once)) as ready,
        httpx2.Client(trust_env=False, timeout=20) as http,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver,
    ):
        yield Bench(home, Control(http, ready.control, ready.token), driver)
        assert driver.stdin
        driver.stdin.close()


def live_twice(bench: Bench, kind: str, point: str, policy: str) -> tuple[str, int]:
    """Die at a point and run again; return how that ended and how many pictures were billed in all."""
    bench.control.faults(*([REFUSED] if kind == "refused" else [LOST] if kind == "lost" else []))
    before, case = len(bench.pictures()), bench.case()
    assert bench.run(kind, case, policy, point) == "SIGKILL"
    ended = bench.run(kind, case, policy)
    return ended, len(bench.pictures()) - before


def test_every_failpoint_is_tried() -> None:
    assert {point.partition(":")[0] for _, point in CASES} == set(names())


@pytest.mark.parametrize(("kind", "point"), CASES)
def test_a_run_that_died_there_is_finished_by_the_next_one(bench: Bench, kind: str, point: str) -> None:
    stages = 2 if kind == "tools" else 1
    ended, pictures = live_twice(bench, kind, point, "hold")
    if point in DOUBT[kind]:
        # Of several turns the first one drew the picture; only the second is open.
        paid = 1 if kind == "turns" or (kind == "direct" and point not in UNPAID) else 0
        assert (ended, pictures) == ("doubt", paid)
    else:
        assert (ended, pictures) == ("commit", stages)


@pytest.mark.parametrize(
    ("kind", "point"), [(k, p) for k, p in CASES if k not in {"turns", "direct"} and p in DOUBT[k]]
)
def test_a_fence_leaves_no_doubt(bench: Bench, kind: str, point: str) -> None:
    assert live_twice(bench, kind, point, "fence") == ("commit", 1)


@pytest.mark.parametrize("point", sorted(DOUBT["direct"]))
def test_no_fence_can_settle_a_direct_call(bench: Bench, point: str) -> None:
    ended, pictures = live_twice(bench, "direct", point, "fence")
    assert (ended, pictures) == ("doubt", 0 if point in UNPAID else 1)
