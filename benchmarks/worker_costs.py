"""What a worker costs beside its stages: CPU to begin, CPU for each piece of rows, slots that stand idle."""

from __future__ import annotations

import bisect
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from assetmill.fingerprint import Fingerprint
from assetmill.records import Intent
from assetmill.stage.services import Services
from assetmill.store import layout
from benchmarks.bench import cpu_seconds
from tests.server.processes import descendants

SAMPLE_S = 0.5
MINUTE_S = 60.0


class Processes:
    """Samples the CPU of workers, each with everything that it has started. Use it as a context."""

    def __init__(self, workers: Mapping[str, int]) -> None:
        self._workers = workers
        self._at = list[float]()
        self._cpu_s: defaultdict[str, list[float]] = defaultdict(list)
        self.worker_of = dict[int, str]()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Processes:
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._sample()

    def cpu_s(self, worker: str, at: float) -> float:
        """Return what a worker had used by a time."""
        return self._cpu_s[worker][min(bisect.bisect_left(self._at, at), len(self._at) - 1)]

    def _go_on(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        self._at.append(time.time())
        for name, pid in self._workers.items():
            used_s = 0.0
            for one in (pid, *descendants(pid)):
                # What ends here is waited for by its parent, which has it from then on.
                with suppress(OSError):
                    used_s += cpu_seconds(one)
                    self.worker_of[one] = name
            self._cpu_s[name].append(used_s)


@dataclass(frozen=True)
class Stage:
    """One stage: which process had it in hand, and from when until when."""

    pid: int
    began_at: float
    ended_at: float


@dataclass
class Costs:
    """What one batch has cost its workers."""

    start_cpu_s: list[float] = field(default_factory=list[float])
    """Of each worker, from the order to its first stage."""
    piece_cpu_s: float = 0.0
    """Of a piece on the average, its stages included."""
    piece_stages: float = 0.0
    idle: float = 0.0
    """Which part of the slots stood idle from a worker's first stage until the last row was begun."""

    def __str__(self) -> str:
        start_s = sum(self.start_cpu_s) / max(1, len(self.start_cpu_s))
        return (
            f"CPU {start_s:.1f} s to begin, {self.piece_cpu_s:.2f} s a piece; {self.idle:.0%} of slots idle"
        )


def stages_since(services: Services, pipeline: str, since: float) -> list[Stage]:
    """Return the stages that were begun since a time, in that order, as their records tell."""
    found: list[Stage] = []
    for entry in services.backend.list(layout.intents_of(pipeline)):
        intent = Intent.model_validate_json(services.backend.get(entry.key))
        if intent.created_at < since:
            continue
        fp = Fingerprint(entry.key.rpartition("/")[2].partition(".")[0])
        record = services.ledger.read_stage(pipeline, fp)
        assert record, entry.key
        found.append(Stage(int(intent.owner.rsplit(":", 2)[1]), intent.created_at, record.finished_at))
    return sorted(found, key=lambda stage: stage.began_at)


def costs(stages: list[Stage], processes: Processes, began_at: float, width: int, pieces: int) -> Costs:
    """Return what a batch has cost its workers."""
    by_worker: defaultdict[str, list[Stage]] = defaultdict(list)
    for stage in stages:
        by_worker[processes.worker_of[stage.pid]].append(stage)
    rows_left_until = stages[-1].began_at
    found, worked_s, busy_s, there_s = Costs(), 0.0, 0.0, 0.0
    for worker, its in by_worker.items():
        first, last = its[0].began_at, max(stage.ended_at for stage in its)
        found.start_cpu_s.append(processes.cpu_s(worker, first) - processes.cpu_s(worker, began_at))
        worked_s += processes.cpu_s(worker, last) - processes.cpu_s(worker, first)
        there_s += width * max(0.0, rows_left_until - first)
        busy_s += sum(max(0.0, min(stage.ended_at, rows_left_until) - stage.began_at) for stage in its)
    found.piece_cpu_s, found.piece_stages = worked_s / pieces, len(stages) / pieces
    found.idle = 1 - busy_s / there_s if there_s else 0.0
    return found


def most_in_a_minute(stages: list[Stage]) -> int:
    """Return how many were begun in the fullest minute."""
    times = [stage.began_at for stage in stages]
    return max(bisect.bisect_left(times, at + MINUTE_S) - n for n, at in enumerate(times))


def used_part(stages: list[Stage], a_minute: int) -> float:
    """Return which part of a quota was used in the whole minutes in which there was work for it."""
    first = stages[0].began_at
    whole = int((stages[-1].began_at - first) // MINUTE_S)
    begun = sum(1 for _ in itertools.takewhile(lambda s: s.began_at < first + whole * MINUTE_S, stages))
    return begun / (whole * a_minute) if whole else 1.0
