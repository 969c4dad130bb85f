"""A seeded storm over a work pool: everything that it needs is disturbed while batch follows batch."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.batchworks import products
from tests.server.pool_troubles import WORKERS, Machine, Trouble, Troubler, troubles
from tests.server.stack import POOL, Stack
from tests.server.supervisor import grace_s, stop
from tests.server.upgrades import wheel

ROWS, STAGES = 16, 2
LOOK_S = 0.2
CALLED_OFF, UPGRADED, TURN = 2, 3, 5
"""Which batches of a turn are called off and run again, and in which a worker is replaced."""


@dataclass
class PoolStorm:
    """Batches one after the other on a pool of two workers, disturbed by what a seed brings."""

    world: Stack
    troubler: Troubler
    person: Machine
    folder: Path
    seed: int
    counts: Counter[str] = field(default_factory=Counter[str])
    longest_calm_s: float = 0.0
    """The longest time without a picture in which nothing was disturbed, and a batch had work.

    As long as it would have been on a machine of our own: what others do on this one is no fault of the pool.
    """
    longest_wall_s: float = 0.0
    """The same by the clock on the wall."""

    def __post_init__(self) -> None:
        self._began, self._chance = time.monotonic(), random.Random(self.seed)
        self._upcoming = troubles(self.seed)

    def rage(self, seconds: float) -> None:
        """Disturb batch after batch, at least three, for so long; then let the last come to its end."""
        until = time.monotonic() + seconds
        self._upgraded = wheel(self.folder / "newer", is_older=False)
        for name in WORKERS:
            self.troubler.start_worker(name)
        number = 0
        while number < UPGRADED or time.monotonic() < until:
            number += 1
            self.do_batch(number)

    def do_batch(self, number: int) -> None:
        """See one batch to its end, and that it was charged for what it has, each once."""
        rows = products(self.folder, *(f"batch {number} thing {n}" for n in range(ROWS)))
        command = ["batch", "plain", "--rows", rows, "--name", f"storm-{number}", "--work-pool", POOL]
        run = self._start(command)
        if number % TURN == CALLED_OFF:
            self._call_off(run, number)
            run = self._start(command)
        elif number % TURN == UPGRADED:
            self._upgrade(run)
        self._disturb(run)
        assert (run.code, run.document()["status"]) == (0, "completed"), run.told()
        assert {row["state"] for row in run.document()["rows"]} <= {"done", "reused"}, run.told()
        self.counts["batches"] += 1
        # Each batch is of rows of its own: what it was charged is what has come since.
        assert self.world.pictures() == number * ROWS * STAGES, run.told()

    def _start(self, command: list[str]) -> _Run:
        self._note(" ".join(command[:6]))
        return _Run(self.world, command, self.person.environment)

    def _disturb(self, run: _Run) -> None:
        """Bring trouble until a batch has ended."""
        while run.is_going:
            trouble = next(self._upcoming)
            over, seen = time.monotonic() + trouble.after_s, self.world.pictures()
            # The work has to go on after a trouble, before there is another.
            self._watch(run, lambda over=over, n=seen: time.monotonic() > over and self.world.pictures() > n)
            if run.is_going:
                self._bring(trouble)

    def _bring(self, trouble: Trouble) -> None:
        self._note(str(trouble))
        self.counts[trouble.kind] += 1
        self.troubler.bring(trouble)
        self._note("over")

    def _watch(self, run: _Run, is_enough: Callable[[], bool]) -> None:
        """Look on until it is enough or the batch has ended, and note how long nothing was made."""
        seen, since, calm_s = self.world.pictures(), time.monotonic(), 0.0
        while run.is_going and not is_enough():
            time.sleep(LOOK_S)
            if (now := self.world.pictures()) != seen:
                seen, since, calm_s = now, time.monotonic(), 0.0
            calm_s += LOOK_S * min(1.0, (os.cpu_count() or 1) / max(1.0, os.getloadavg()[0]))
            self.longest_calm_s = max(self.longest_calm_s, calm_s)
            self.longest_wall_s = max(self.longest_wall_s, time.monotonic() - since)

    def _until_half(self, run: _Run) -> None:
        enough = self.world.pictures() + ROWS // 2
        self._watch(run, lambda: self.world.pictures() >= enough)

    def _call_off(self, run: _Run, number: int) -> None:
        """Have a person call a batch off in the middle, by the command line or on Prefect's page."""
        self._until_half(run)
        # One that ended while Prefect was away is left as running there.
        running = self.world.flow_runs(f"run-shard/{POOL}", state="RUNNING")
        shards = [shard for shard in running if shard["name"].startswith(f"storm-{number} ")]
        if shards and self._chance.random() < 0.5:
            state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
            self.world.api("POST", f"/flow_runs/{shards[0]['id']}/set_state", state)
            self.counts["cancel in Prefect"] += 1
        else:
            told = self.world.run(
                "assetmill", "cancel", f"storm-{number}", environment=self.person.environment
            )
            assert told.returncode == 0, told.stderr
            self.counts["cancel"] += 1
        self._note("called off")
        self._watch(run, lambda: False)
        assert (run.code, run.document()["status"]) == (130, "stopped"), run.told()
        assert {row["state"] for row in run.document()["rows"]} <= {"done", "cancelled"}

    def _upgrade(self, run: _Run) -> None:
        """Replace a worker as a rolling upgrade does: drained, then there again with a newer wheel."""
        self._until_half(run)
        name = self._chance.choice(WORKERS)
        self._note(f"told {name} to end")
        how = "drained" if stop(self.world.process(name), grace_s("worker-1")) else "killed after its grace"
        self.world.forget(name)
        self.troubler.upgrades[name] = self._upgraded
        self.troubler.start_worker(name)
        self.counts[f"upgrade, {how}"] += 1
        self._note(f"upgraded {name}: {how}")

    def _note(self, what: str) -> None:
        """Write a line of the storm's diary, with its time and what was paid by then."""
        with (self.folder / "diary.log").open("a", encoding="utf-8") as sink:
            sink.write(f"{time.monotonic() - self._began:7.1f} {self.world.pictures():5d}  {what}\n")


class _Run:
    """A command of somebody who waits for its end; what it says is read as it comes."""

    def __init__(self, world: Stack, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["assetmill", *command, "--json"],
            cwd=world.folder, env={**world.environment, **environment}, text=True,
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
