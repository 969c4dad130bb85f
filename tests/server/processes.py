"""Which processes a process has started."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

Children = Mapping[int, Sequence[int]]


def children() -> Children:
    """Return which processes each process of this machine has started: one look for many questions."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            fields = path.read_text().rpartition(")")[2].split()
            found[int(fields[1])].append(int(path.parent.name))
    return found


def descendants(pid: int, known: Children | None = None) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    known = children() if known is None else known
    return [one for child in known.get(pid, ()) for one in (child, *descendants(child, known))]
