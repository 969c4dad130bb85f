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
from tests.server.processes import children, descendants

SAMPLE_S = 0.5
MINUTE_S = 60.0


class Processes:
    """Samples the CPU of processes, each with everything that it has started. Use it as a context.

    Of a cluster, whose workers nobody here has started, each process is one of its own.
    """

    def __init__(self, roots: Mapping[str, int], *, is_cluster: bool = False) -> None:
        self._roots, self._is_cluster = dict(roots), is_cluster
        self._at = list[float]()
        self._cpu_s = list[dict[str, float]]()
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

    def cpu_s(self, worker: str, at: float) -> float:
        """Return what a worker had used by a time."""
        return self._cpu_s[self._sample_at(at)].get(worker, 0.0)

    def all_cpu_s(self, since: float) -> float:
        """Return what all of them have used since a time; what has ended counts as far as it was seen."""
        begun, names = self._cpu_s[self._sample_at(since)], {name for one in self._cpu_s for name in one}
        most = {name: max(one.get(name, 0.0) for one in self._cpu_s) for name in names}
        return sum(used_s - begun.get(name, 0.0) for name, used_s in most.items())

    def _sample_at(self, at: float) -> int:
        return min(bisect.bisect_left(self._at, at), len(self._at) - 1)

    def _go_on(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        known, used = children(), defaultdict[str, float](float)
        self._at.append(time.time())
        for root, pid in self._roots.items():
            for one in (pid, *descendants(pid, known)):
                # What ends here is waited for by its parent, which has it from then on.
                with suppress(OSError):
                    name = str(one) if self._is_cluster else root
                    used[name] += cpu_seconds(one)
                    self.worker_of[one] = name
        self._cpu_s.append(dict(used))


@dataclass(frozen=True)
class Stage:
    """One stage: which process had it in hand, and from when until when."""

    pid: int
    began_at: float
    ended_at: float


@dataclass
class Costs:
    """What one batch has cost its workers."""

    begins_s: list[float] = field(default_factory=list[float])
    """When each worker began its first stage, since the order."""
    ends_s: list[float] = field(default_factory=list[float])
    """When each worker had ended its last stage, since the order."""
    start_cpu_s: list[float] = field(default_factory=list[float])
    """CPU of each worker, from the order to its first stage."""
    piece_cpu_s: float = 0.0
    """Of a piece on the average, its stages included."""
    piece_stages: float = 0.0
    idle: float = 0.0
    """Which part of the slots stood idle from a worker's first stage until the last stage was begun."""
    stage_cpu_s: float = 0.0
    """Of a stage on the average: of everything that the order has moved, but for the servers."""

    def __str__(self) -> str:
        start_s = sum(self.start_cpu_s) / max(1, len(self.start_cpu_s))
        parts = (
            f"at work from {_between(self.begins_s)} s to {_between(self.ends_s)} s",
            f"{self.idle:.0%} of slots idle",
            f"CPU {start_s:.1f} s to begin, {self.piece_cpu_s:.2f} s a piece",
            f"{self.stage_cpu_s:.2f} s a stage with all else",
        )
        return ", ".join(parts)


def _between(times_s: list[float]) -> str:
    return f"{min(times_s):.1f}-{max(times_s):.1f}"


def stages_since(services: Services, pipeline: str, since: float) -> tuple[list[Stage], int]:
    """Return the stages that were begun since a time, in order, and how many attempts were not paid for."""
    found, unpaid = list[Stage](), 0
    for entry in services.backend.list(layout.intents_of(pipeline)):
        intent = Intent.model_validate_json(services.backend.get(entry.key))
        if intent.created_at < since:
            continue
        fp = Fingerprint(entry.key.rpartition("/")[2].partition(".")[0])
        record = services.ledger.read_stage(pipeline, fp)
        assert record, entry.key
        if record.attempt != intent.attempt:
            unpaid += 1  # refused, or not posted
            continue
        found.append(Stage(int(intent.owner.rsplit(":", 2)[1]), intent.created_at, record.finished_at))
    return sorted(found, key=lambda stage: stage.began_at), unpaid


def costs(stages: list[Stage], processes: Processes, began_at: float, width: int, pieces: int) -> Costs:
    """Return what a batch has cost its workers."""
    by_worker: defaultdict[str, list[Stage]] = defaultdict(list)
    for stage in stages:
        by_worker[processes.worker_of[stage.pid]].append(stage)
    stages_left_until = stages[-1].began_at
    found, worked_s, busy_s, there_s = Costs(), 0.0, 0.0, 0.0
    for worker, its in by_worker.items():
        first, last = its[0].began_at, max(stage.ended_at for stage in its)
        found.begins_s.append(first - began_at)
        found.ends_s.append(last - began_at)
        found.start_cpu_s.append(processes.cpu_s(worker, first) - processes.cpu_s(worker, began_at))
        worked_s += processes.cpu_s(worker, last) - processes.cpu_s(worker, first)
        there_s += width * max(0.0, stages_left_until - first)
        busy_s += sum(max(0.0, min(stage.ended_at, stages_left_until) - stage.began_at) for stage in its)
    found.piece_cpu_s, found.piece_stages = worked_s / pieces, len(stages) / pieces
    found.stage_cpu_s = processes.all_cpu_s(began_at) / len(stages)
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
