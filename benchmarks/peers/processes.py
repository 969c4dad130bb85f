"""What a process and all that it started use, from /proc: CPU until now, memory while something runs."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Collection
from pathlib import Path

from benchmarks.bench import cpu_seconds

_EVERY_S = 0.5


def tree(pid: int, without: Collection[int] = ()) -> list[int]:
    """Return a process and its descendants, but for some with theirs."""
    children: dict[int, list[int]] = {}
    for found in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = found.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(found.parent.name))
    members, rest = list[int](), [pid]
    while rest:
        if (one := rest.pop()) not in without:
            members.append(one)
            rest.extend(children.get(one, []))
    return members


def cpu_of(pids: Collection[int]) -> float:
    """Return the CPU seconds of processes and of those that they have waited for."""
    used = 0.0
    for pid in pids:
        try:
            used += cpu_seconds(pid)
        except OSError:
            continue  # its parent has waited for it, and counts it
    return used


def _memory_mb(pids: Collection[int]) -> float:
    pages = 0
    for pid in pids:
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
        except OSError:
            continue
    return pages * resource.getpagesize() / 1024**2


class PeakMemory:
    """Samples the resident memory of a process and its descendants; pages that they share count for each."""

    def __init__(self, pid: int, without: Collection[int] = ()) -> None:
        self._pid, self._without = pid, without
        self.peak_mb = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _look(self) -> None:
        self.peak_mb = max(self.peak_mb, _memory_mb(tree(self._pid, self._without)))

    def _sample(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._look()


def settle(pids: Collection[int], most_s: float = 10.0) -> None:
    """Wait until processes do hardly anything: a server works on after the program that asked it."""
    ended, waited_s, pause_s = threading.Event(), 0.0, 0.5
    while waited_s < most_s:
        before = cpu_of(pids)
        ended.wait(pause_s)
        waited_s += pause_s
        if cpu_of(pids) - before <= 1 / os.sysconf("SC_CLK_TCK"):
            return
