"""What befalls a work pool and everything that it needs, on a seeded plan."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from tests.object_servers import MortalServer
from tests.server.clocks import Clock
from tests.server.stack import Stack
from tests.server.wires import Wire

WORKERS, PERSON = ("w1", "w2"), "person"
MACHINES = (*WORKERS, PERSON)
EACH_S = (15.0, 30.0)
"""How long it is calm between two troubles: some work is done, and no batch ends untroubled."""

LASTS_S = (3.0, 20.0)
WRONG_S = 600.0
"""So far a clock may be wrong; an object store refuses whoever is a quarter of an hour out."""

Kind = Literal[
    "kill store", "freeze store", "kill prefect", "freeze prefect", "kill database", "freeze database",
    "kill worker", "freeze worker", "cut network", "delay network", "reset network", "set clock",
]  # fmt: skip
Way = Literal["store", "prefect", "service", "all"]


@dataclass(frozen=True)
class Trouble:
    """What befalls whom after a calm, and for how long: which wires, how wrong a clock."""

    kind: Kind
    machine: str
    way: Way
    after_s: float
    lasts_s: float
    ahead_s: float
    delay_s: float

    def __str__(self) -> str:
        what = {"network": f" to {self.way}", "clock": f" {self.ahead_s:+.0f} s"}.get(
            self.kind.split()[1], ""
        )
        return f"{self.kind}{what} of {self.machine} for {self.lasts_s:.0f} s"


def troubles(
    seed: int,
    kinds: tuple[Kind, ...] = get_args(Kind),
    ways: tuple[Way, ...] = get_args(Way),
    lasts_s: tuple[float, float] = LASTS_S,
) -> Iterator[Trouble]:
    """Yield what a seed brings, without an end: in each turn every kind once, in an order by chance."""
    chance = random.Random(seed)
    while True:
        for kind in chance.sample(kinds, len(kinds)):
            yield Trouble(
                kind,
                machine=chance.choice(WORKERS if "worker" in kind else MACHINES),
                way=chance.choice(ways),
                after_s=chance.uniform(*EACH_S),
                lasts_s=chance.uniform(*lasts_s),
                ahead_s=chance.uniform(-WRONG_S, WRONG_S),
                delay_s=chance.uniform(0.1, 1.0),
            )


@dataclass
class Machine:
    """A machine of the pool, or a person's: how it reaches everything, and what it takes for the time."""

    wires: Mapping[str, Wire]
    clock: Clock | None
    environment: dict[str, str]

    def by(self, way: Way) -> list[Wire]:
        """Return the wires that a trouble means."""
        return [wire for name, wire in self.wires.items() if way in {name, "all"}]


def machines(
    opened: ExitStack, world: Stack, folder: Path, library: Path | None, mortal: MortalServer | None = None
) -> dict[str, Machine]:
    """Give every machine a clock and wires of its own; that to the service is shared, its address is one.

    Without a store that can be killed only the way to Prefect is meddled with.
    """
    shared: dict[str, Wire] = {}
    if mortal:
        shared["service"] = opened.enter_context(Wire(world.emulator_port()))
        world.reach_emulator_by(shared["service"].port)
    made: dict[str, Machine] = {}
    for name in MACHINES:
        clock = Clock(folder / f"clock-{name}", library) if library else None
        prefect = opened.enter_context(Wire(world.port))
        wires = {**shared, "prefect": prefect}
        environment = {
            **(clock.environment if clock else {}),
            "PREFECT_API_URL": f"http://127.0.0.1:{prefect.port}/api",
        }
        if mortal:
            wires["store"] = opened.enter_context(Wire(mortal.port))
            environment["ASSETMILL_STORE_ENDPOINT_URL"] = f"http://127.0.0.1:{wires['store'].port}"
        made[name] = Machine(wires, clock, environment)
    return made


class Troubler:
    """Brings troubles, and ends each."""

    def __init__(self, world: Stack, pool: Mapping[str, Machine], mortal: MortalServer | None = None) -> None:
        self._world, self._pool, self._mortal = world, pool, mortal
        self.upgrades: dict[str, dict[str, str]] = {}
        """With which program a worker is started that has another one than this."""

    def start_worker(self, name: str) -> None:
        """Start a worker on its machine."""
        self._world.start_worker(name, **self._pool[name].environment, **self.upgrades.get(name, {}))

    def bring(self, trouble: Trouble) -> None:
        """Let a trouble happen, and return when it is over."""
        how, _, what = trouble.kind.partition(" ")
        if what == "clock":
            clock = self._pool[trouble.machine].clock
            return clock.set(trouble.ahead_s) if clock else None
        if what == "network":
            return self._meddle(how, trouble)
        if how == "freeze":
            self._send(what, trouble.machine, signal.SIGSTOP)
            time.sleep(trouble.lasts_s)
            return self._send(what, trouble.machine, signal.SIGCONT)
        self._kill(what, trouble.machine)
        time.sleep(trouble.lasts_s)
        return self._start(what, trouble.machine)

    def _meddle(self, how: str, trouble: Trouble) -> None:
        wires = self._pool[trouble.machine].by(trouble.way)
        for wire in wires:
            {"cut": wire.cut, "reset": wire.reset, "delay": partial(wire.delay, trouble.delay_s)}[how]()
        time.sleep(trouble.lasts_s)
        for wire in wires:
            wire.mend()

    def _send(self, what: str, worker: str, number: signal.Signals) -> None:
        if what == "store":
            self._store.send(number)
        elif what == "database":
            self._world.database.send(number)
        else:
            self._world.send("server" if what == "prefect" else worker, number)

    def _kill(self, what: str, worker: str) -> None:
        if what == "store":
            self._store.kill()
        elif what == "database":
            self._world.database.kill()
        else:
            self._world.kill("server" if what == "prefect" else worker)

    def _start(self, what: str, worker: str) -> None:
        if what == "store":
            self._store.start()
        elif what == "database":
            self._world.database.start()
        elif what == "prefect":
            self._world.start_server()
        else:
            self.start_worker(worker)

    @property
    def _store(self) -> MortalServer:
        assert self._mortal, "this pool has a store that cannot be killed"
        return self._mortal
