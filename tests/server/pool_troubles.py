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


def troubles(seed: int) -> Iterator[Trouble]:
    """Yield what a seed brings, without an end: in each turn every kind once, in an order by chance."""
    chance = random.Random(seed)
    while True:
        kinds: list[Kind] = list(get_args(Kind))
        chance.shuffle(kinds)
        for kind in kinds:
            yield Trouble(
                kind,
                machine=chance.choice(WORKERS if "worker" in kind else MACHINES),
                way=chance.choice(get_args(Way)),
                after_s=chance.uniform(*EACH_S),
                lasts_s=chance.uniform(*LASTS_S),
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
    opened: ExitStack, world: Stack, mortal: MortalServer, folder: Path, library: Path | None
) -> dict[str, Machine]:
    """Give every machine wires of its own; that to the service is shared, since its address is one."""
    service = opened.enter_context(Wire(world.emulator_port()))
    world.reach_emulator_by(service.port)
    made: dict[str, Machine] = {}
    for name in MACHINES:
        store = opened.enter_context(Wire(mortal.port))
        prefect = opened.enter_context(Wire(world.port))
        clock = Clock(folder / f"clock-{name}", library) if library else None
        environment = {
            **(clock.environment if clock else {}),
            "PREFECT_API_URL": f"http://127.0.0.1:{prefect.port}/api",
            "ASSETMILL_STORE_ENDPOINT_URL": f"http://127.0.0.1:{store.port}",
        }
        wires = {"store": store, "prefect": prefect, "service": service}
        made[name] = Machine(wires, clock, environment)
    return made


class Troubler:
    """Brings troubles, and ends each."""

    def __init__(self, world: Stack, mortal: MortalServer, pool: Mapping[str, Machine]) -> None:
        self._world, self._mortal, self._pool = world, mortal, pool
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
            self._mortal.send(number)
        elif what == "database":
            self._world.database.send(number)
        else:
            self._world.send("server" if what == "prefect" else worker, number)

    def _kill(self, what: str, worker: str) -> None:
        if what == "store":
            self._mortal.kill()
        elif what == "database":
            self._world.database.kill()
        else:
            self._world.kill("server" if what == "prefect" else worker)

    def _start(self, what: str, worker: str) -> None:
        starts = {
            "store": self._mortal.start,
            "database": self._world.database.start,
            "prefect": self._world.start_server,
        }
        starts.get(what, partial(self.start_worker, worker))()
