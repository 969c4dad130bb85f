"""Processes killed at random while the service misbehaves in every way at once; its bill is the witness.

Three stages, twelve variants, one stage in ten of each: refused, answered by 503, accepted with the answer
lost, its stream cut, slow, its container gone. Every other variant goes in the flex lane, which has no room
for one post in four. `make soak` goes on with ten times as many kills.
"""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from foundry_emulator.painter.image import ImageRequest, Painted
from foundry_emulator.server import running
from foundry_emulator.testing.calls import Control
from foundry_emulator.testing.scripted import paint, toolbox

from assetmill.agents.gateway import WAYS, Way
from assetmill.fingerprint import Digest, digest
from assetmill.money.prices import load_prices, price_of
from assetmill.records import BlobRef, StageRecord
from assetmill.settings import find_configs
from assetmill.store import layout
from assetmill.store.blobs import Blobs
from assetmill.store.local import LocalStore
from tests.doubles import stage_call
from tests.flows.accounts import read_books
from tests.flows.kill_driver import STAGES

pytestmark = pytest.mark.server

VARIANTS, WIDTH = 12, 12
KILLS, KILLS_A_CASE, MOST_CASES = 10, 5, 40
RUNS_TO_FINISH = 15
EACH = 0.1
CREATE = "responses.create"
FREE = ("responses.retrieve", "responses.list", "conversations.*", "files.*", "containers.*")


def plan(seed: int) -> list[dict[str, Any]]:
    """Every fault with a chance of its own; the calls that spend nothing meet those that they can."""
    faults: list[dict[str, Any]] = [
        {"op": CREATE, "fault": "rate_limit", "retry_after_s": 0.1},
        {"op": CREATE, "fault": "error_before", "status": 503, "probability": EACH / 2},
        {"op": CREATE, "fault": "error_after", "status": 503, "probability": EACH / 2},
        {"op": CREATE, "fault": "drop_after_accept"},
        {"op": CREATE, "fault": "cut_stream", "event": 2},
        {"op": CREATE, "fault": "slow", "delay_s": 0.2},
        *({"op": op, "fault": "slow", "delay_s": 0.1} for op in FREE),
        *({"op": op, "fault": "error_before", "status": 503, "probability": EACH / 2} for op in FREE),
    ]
    return [
        {"probability": EACH, "seed": seed * 100 + number, **fault} for number, fault in enumerate(faults)
    ]


class Painter:
    """Paints no picture twice, and knows the bytes of all."""

    def __init__(self) -> None:
        # Responses are drawn on several threads of the emulator.
        self._lock = threading.Lock()
        self.painted: dict[Digest, int] = {}

    def __call__(self, request: ImageRequest) -> Painted:
        drawn = paint(request)
        with self._lock:
            text = b"tEXt" + f"number\x00{len(self.painted)}".encode()
            chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
            data = drawn.data[:33] + chunk + drawn.data[33:]  # after the signature and the first chunk
            self.painted[digest(data)] = len(data)
        return replace(drawn, data=data)


class Reader:
    """Reads a store while others write: what a record names must be there."""

    def __init__(self, root: Path) -> None:
        self._store = LocalStore(root)
        self.records: dict[str, StageRecord] = {}
        self.missing: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.look()
        self._store.close()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.look()

    def look(self) -> None:
        blobs = Blobs(self._store)
        for entry in list(self._store.list(layout.STAGES)):
            if entry.key in self.records:
                continue
            record = StageRecord.model_validate_json(self._store.get(entry.key))
            self.records[entry.key] = record
            self.missing += [str(a.asset_id) for a in record.outputs if blobs.find(a.blob) is None]


class Case(NamedTuple):
    """A store of its own, and how its processes post and take silence."""

    name: str
    policy: str
    way: Way


class Yard:
    """An emulator, a driver of processes, and one store for each case."""

    def __init__(self, home: Path, control: Control, driver: subprocess.Popen[str], painter: Painter) -> None:
        self.home, self.control, self.painter = home, control, painter
        self._driver = driver

    def _order(self, **order: Any) -> dict[str, Any]:
        assert self._driver.stdin
        assert self._driver.stdout
        self._driver.stdin.write(json.dumps(order) + "\n")
        self._driver.stdin.flush()
        return json.loads(self._driver.stdout.readline())

    def start(self, case: Case, number: int, variants: int = VARIANTS, do: str = "start") -> int:
        common = {"home": str(self.home), "width": WIDTH, "variants": variants, **case._asdict()}
        return int(self._order(do=do, case=case.name, number=number, **common)["pid"])

    def probe(self, case: Case) -> bool:
        """Let the product ask what a fence rests on; return whether it would fence now."""
        self.control.post("settings", {"latency_s": 1.0})  # so that it still runs when its caller leaves
        told = self.wait(self.start(case, 0, do="probe"))["told"]
        self.control.post("settings", {"latency_s": 0.0})
        return told

    def wait(self, pid: int) -> dict[str, Any]:
        return self._order(do="wait", pid=pid)

    def store(self, case: Case) -> Path:
        return self.home / "stores" / case.name

    def pictures(self) -> list[str]:
        """Return the response of every picture that was billed."""
        return [charge["response_id"] for charge in self.control.bill() if charge["kind"] == "image"]


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    home, painter = tmp_path_factory.mktemp("home"), Painter()
    command = [sys.executable, "-m", "tests.flows.kill_driver"]
    with (
        running(home / "emulator", toolbox=replace(toolbox(), paint=painter)) as ready,
        httpx2.Client(trust_env=False, timeout=20) as http,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver,
    ):
        control = Control(http, ready.control, ready.token)
        # What is not in the background goes on when its caller is killed: nobody could find it otherwise.
        control.post("settings", {"finish_without_caller": True, "flex_refusals": EACH * 2.5})
        yield Yard(home, control, driver, painter)
        assert driver.stdin
        driver.stdin.close()


class Trouble:
    """What befalls the processes of one case: their kills, and the end of the service's containers."""

    def __init__(self, yard: Yard, seed: int) -> None:
        self._yard, self._chance, self._pause = yard, random.Random(seed), threading.Event()

    def befall(self, pid: int) -> None:
        """Kill a process within a second and a half of its first word to the service."""
        for _ in range(500):
            if self._yard.control.get("requests")["counts"]:
                break
            self._pause.wait(0.02)
        left_s = self._chance.uniform(0.0, 1.5)
        while left_s > 0:
            self._pause.wait(min(left_s, 0.1))
            left_s -= 0.1
            if self._chance.random() < EACH:
                self._yard.control.post("expire", {"kinds": ["containers"]})
        os.kill(pid, signal.SIGKILL)


def live(yard: Yard, case: Case, seed: int) -> tuple[dict[str, Any], int]:
    """Kill a pipeline's process again and again, then let it finish; return its last words and the kills."""
    trouble, kills = Trouble(yard, seed), 0
    yard.control.faults(*plan(seed))
    for number in range(KILLS_A_CASE):
        yard.control.delete("requests")
        pid = yard.start(case, number)
        trouble.befall(pid)
        if yard.wait(pid)["signal"] != "SIGKILL":
            break  # it had come to its end before
        kills += 1
    told: dict[str, Any] = {}
    for number in range(RUNS_TO_FINISH):
        ended = yard.wait(yard.start(case, KILLS_A_CASE + number))
        assert ended["told"], ended
        told = ended["told"]
        if not told["failed"]:
            break
    return told, kills


def check_amounts(reader: Reader, lines: list[dict[str, Any]]) -> Counter[str]:
    """Compare what each commit counted with its lines of the bill, pictures apart; return the tiers seen."""
    charged: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        charged.setdefault(line["response_id"], []).append(line)
    prices, tiers = load_prices(find_configs()), Counter[str]()
    for record in reader.records.values():
        bill = charged[record.made_by[-1].response_id]
        tokens = next(line for line in bill if line["kind"] == "tokens")
        tier = record.usage.service_tier or "default"
        assert tokens["service_tier"] == tier
        # The scripted painter counts tokens of its own; how many pictures were charged is checked above.
        words = record.usage.model_copy(update={"images": 0, "image_output_tokens": 0, "partial_images": 0})
        counted = price_of(words, stage_call(model=tokens["model"], tools=()), prices)
        assert sum(line["usd"] for line in bill if line["kind"] != "image") == pytest.approx(counted)
        tiers[tier] += 1
    return tiers


def check_bytes(yard: Yard, case: Case, painted: dict[Digest, int]) -> None:
    store = LocalStore(yard.store(case))
    blobs = Blobs(store)
    refs = [BlobRef(digest=name, size_bytes=size, media_type="image/png") for name, size in painted.items()]
    lost = [ref.digest for ref in refs if blobs.find(ref) is None]
    store.close()
    assert not lost, f"{len(lost)} of {len(refs)} pictures that were paid for are not in the store"


def check_end(told: dict[str, Any], reader: Reader) -> None:
    """Check that a run is complete but for the stages that wait for a person, and what hangs on them."""
    assert not told["failed"], told["failed"]
    open_labels = (*told["doubt"], *told["unreachable"])
    waiting = sum(len(STAGES) - STAGES.index(label.partition("[")[0]) for label in open_labels)
    assert len(told["done"]) == len(STAGES) * VARIANTS - waiting
    assert len(reader.records) == len(told["done"])
    assert not reader.missing


def check_case(yard: Yard, seed: int, policy: str, way: Way) -> int:
    """Live through one case and hold it to its promises; return how often it was killed."""
    case = Case(f"case-{seed}-{policy}-{way}", policy, way)
    before, known = len(yard.pictures()), set(yard.painter.painted)
    if policy == "fence":
        yard.control.delete("faults")
        assert yard.probe(case)
    with Reader(yard.store(case)) as reader:
        told, kills = live(yard, case, seed)
    billed = yard.pictures()[before:]
    painted = {name: size for name, size in yard.painter.painted.items() if name not in known}
    assert len(billed) == len(painted)
    read_books(yard.store(case)).check(billed)
    assert set(check_amounts(reader, yard.control.bill())) == {"flex", "default"}
    check_bytes(yard, case, painted)
    check_end(told, reader)
    if policy == "fence":
        assert not told["doubt"]
    return kills


def check_cases(yard: Yard, seed: int, policy: str, way: Way) -> None:
    """Go through cases until there were enough kills and every fault was among what happened."""
    kills, case_seed, struck, before = 0, seed * 1000, set[str](), len(yard.pictures())
    faults = {fault["fault"] for fault in plan(0)}
    try:
        while kills < KILLS or struck != faults:
            case_seed += 1
            assert case_seed < seed * 1000 + MOST_CASES, f"never happened: {faults - struck}"
            kills += check_case(yard, case_seed, policy, way)
            struck |= set(yard.control.get("faults")["struck"])
    except BaseException as error:
        error.add_note(f"replay with seed {case_seed}, policy {policy!r}, way {way!r}")
        raise
    finally:
        yard.control.delete("faults")
    cases, charges = case_seed - seed * 1000, len(yard.pictures()) - before
    print(f"{way}, {policy}: {cases} cases, {kills} kills, {charges} pictures, none twice")  # noqa: T201


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("way", "policy"),
    [("background", "fence"), ("foreground", "hold")],
)
def test_random_kills_lose_nothing_and_pay_once(yard: Yard, way: Way, policy: str) -> None:
    check_cases(yard, 1, policy, way)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("policy", ["hold", "fence"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(1, 12))
def test_many_random_kills_lose_nothing_and_pay_once(yard: Yard, seed: int, way: Way, policy: str) -> None:
    """Two hundred in each way; `pytest -rP` shows the figures."""
    check_cases(yard, seed, policy, way)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policy", ["hold", "fence"])
def test_two_processes_at_once_pay_each_stage_once(yard: Yard, policy: str, way: Way) -> None:
    case, before = Case(f"twins-{policy}-{way}", policy, way), len(yard.pictures())
    twins = [yard.start(case, number, variants=4) for number in range(2)]
    ends = [yard.wait(pid) for pid in twins]
    stages = len(STAGES) * 4
    assert [len(end["told"]["done"]) for end in ends] == [stages, stages], ends
    assert len(yard.pictures()) - before == stages
