"""A seeded storm over a work pool: store, Prefect and workers are disturbed while batch follows batch."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from tests.batchworks import products
from tests.object_servers import MortalServer
from tests.server.stack import POOL, Stack
from tests.server.supervisor import grace_s, stop
from tests.server.upgrades import wheel

WORKERS = ("w1", "w2")
ROWS, STAGES = 16, 2
EACH_S = (15.0, 30.0)
"""How long it is calm between two troubles: some work is done, and no batch ends untroubled."""

Kind = Literal["kill store", "freeze store", "kill prefect", "freeze prefect", "kill worker", "freeze worker"]


@dataclass(frozen=True)
class Trouble:
    """What befalls whom after a calm, and for how long."""

    kind: Kind
    worker: str
    after_s: float
    lasts_s: float


def troubles(seed: int) -> Iterator[Trouble]:
    """Yield what a seed brings, without an end: in each turn every kind once, in an order by chance."""
    chance = random.Random(seed)
    while True:
        kinds: list[Kind] = list(get_args(Kind))
        chance.shuffle(kinds)
        for kind in kinds:
            yield Trouble(kind, chance.choice(WORKERS), chance.uniform(*EACH_S), chance.uniform(3.0, 20.0))


@dataclass
class PoolStorm:
    """Batches one after the other on a pool of two workers. The second is called off and run again."""

    world: Stack
    mortal: MortalServer
    folder: Path
    seed: int
    counts: Counter[str] = field(default_factory=Counter[str])
    longest_calm_s: float = 0.0
    """The longest time without a picture in which nothing was disturbed, and a batch had work."""

    def rage(self, seconds: float) -> None:
        """Disturb batch after batch, at least three, for so long; then let the last come to its end."""
        until = time.monotonic() + seconds
        upcoming = troubles(self.seed)
        self._upgraded = wheel(self.folder / "newer", is_older=False)
        for name in WORKERS:
            self.world.start_worker(name)
        number = 0
        while number < 3 or time.monotonic() < until:
            number += 1
            rows = products(self.folder, *(f"batch {number} thing {n}" for n in range(ROWS)))
            command = ["batch", "plain", "--rows", rows, "--name", f"storm-{number}", "--work-pool", POOL]
            run = _Run(self.world, command)
            self._disturb(run, upcoming, number)
            if number == 2:
                assert (run.code, run.document()["status"]) == (130, "stopped"), run.told()
                assert {row["state"] for row in run.document()["rows"]} <= {"done", "cancelled"}
                run = _Run(self.world, command)
                self._disturb(run, upcoming, 0)
            assert (run.code, run.document()["status"]) == (0, "completed"), run.told()
            self.counts["batches"] += 1
            # Each batch is of rows of its own: what it was charged is what has come since.
            assert self.world.pictures() == number * ROWS * STAGES, run.told()

    def _disturb(self, run: _Run, upcoming: Iterator[Trouble], number: int) -> None:
        """Bring trouble until a batch has ended; one is called off, and in another a worker is replaced."""
        began = self.world.pictures()
        if number == 2:
            self._watch(run, lambda: self.world.pictures() >= began + ROWS // 2)
            assert self.world.run("assetmill", "cancel", "storm-2").returncode == 0
            self.counts["cancel"] += 1
            return self._watch(run, lambda: False)
        if number == 3:
            self._watch(run, lambda: self.world.pictures() >= began + ROWS // 2)
            self._upgrade()
        while run.is_going:
            trouble = next(upcoming)
            over = time.monotonic() + trouble.after_s
            self._watch(run, lambda over=over: time.monotonic() > over)
            if run.is_going:
                self._bring(trouble)
        return None

    def _watch(self, run: _Run, is_enough: Callable[[], bool]) -> None:
        """Look on until it is enough or the batch has ended, and note how long nothing was made."""
        seen, since = self.world.pictures(), time.monotonic()
        while run.is_going and not is_enough():
            time.sleep(0.2)
            if (now := self.world.pictures()) != seen:
                seen, since = now, time.monotonic()
            self.longest_calm_s = max(self.longest_calm_s, time.monotonic() - since)

    def _upgrade(self) -> None:
        """Replace a worker as a rolling upgrade does: drained, then there again with a newer wheel."""
        assert stop(self.world.process("w1"), grace_s("worker-1")), self.world.logs()
        self.world.forget("w1")
        self.world.start_worker("w1", **self._upgraded)
        self.counts["upgrade"] += 1

    def _bring(self, trouble: Trouble) -> None:
        how, _, whom = trouble.kind.partition(" ")
        self.counts[trouble.kind] += 1
        name = {"prefect": "server", "worker": trouble.worker}.get(whom, "")
        if how == "freeze":
            self._send(name, signal.SIGSTOP)
            time.sleep(trouble.lasts_s)
            return self._send(name, signal.SIGCONT)
        self.world.kill(name) if name else self.mortal.kill()
        time.sleep(trouble.lasts_s)
        starts = {"prefect": self.world.start_server, "store": self.mortal.start}
        starts.get(whom, lambda: self.world.start_worker(name))()
        return None

    def _send(self, name: str, number: signal.Signals) -> None:
        """Signal a process by its name, the store by none."""
        self.world.send(name, number) if name else self.mortal.send(number)


class _Run:
    """A command of somebody who waits for its end; what it says is read as it comes."""

    def __init__(self, world: Stack, command: list[str]) -> None:
        self._process = subprocess.Popen(
            ["assetmill", *command, "--json"],
            cwd=world.folder, env=world.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._said: tuple[str, str] = ("", "")
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        self._said = self._process.communicate()

    @property
    def is_going(self) -> bool:
        return self._reader.is_alive()

    @property
    def code(self) -> int | None:
        self._reader.join()
        return self._process.returncode

    def document(self) -> dict[str, Any]:
        """Return what it printed at its end."""
        return json.loads(self._said[0])

    def told(self) -> str:
        """Return what a person saw."""
        return "\n".join((self._said[1][-4000:], self._said[0][:2000]))
