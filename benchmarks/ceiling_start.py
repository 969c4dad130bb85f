"""What a process reads before its first reservation under a ceiling with a long history."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from assetmill.money.budget import Budget, Ceiling
from assetmill.money.history import MoneyEntry
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.local import LocalStore
from assetmill.store.memory import MemoryStore
from benchmarks.bench import headline

LINES = 20_000
PROJECT = Ceiling("project", 1e9)


def history(store: Backend, lines: int) -> None:
    """Write a history as stages leave it: what each reserves is settled."""
    last = PROJECT.scope
    for number in range(1, lines + 1):
        entry = MoneyEntry(
            nonce=f"{number:032x}",
            kind="reserve" if number % 2 else "settle",
            reservation=f"{(number + 1) // 2:052d}.1",
            usd=0.05,
            created_at=float(number),
            after=last,
        )
        store.create(layout.money_entry(PROJECT.scope, number), entry.model_dump_json().encode())
        last = entry.nonce


def start(store: Backend, name: str) -> tuple[float, int]:
    """Reserve once in a new process's place; return the seconds and the requests that it took."""
    began, before = time.perf_counter(), store.requests
    assert Budget(store).reserve(f"{name}.1", 0.05, [PROJECT]) is None
    return time.perf_counter() - began, store.requests - before


def show(what: str, store: Backend) -> None:
    """Print what the first start took, and the later ones."""
    for name in ("first", "second", "third"):
        seconds, requests = start(store, name)
        print(f"    {what:<8} {name:<6} start  {seconds:6.2f} s  {requests:6} requests")


def main(lines: int = LINES) -> None:
    """Print the seconds and requests of a start over a long history."""
    print(f"first reservation of a process under a ceiling with {lines:,} lines of history")
    memory = MemoryStore()
    history(memory, lines)
    show("memory", memory)
    with TemporaryDirectory() as folder:
        directory = LocalStore(Path(folder) / "store")
        history(directory, lines)
        show("folder", directory)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    chosen = parser.parse_args()
    print(headline())
    main(chosen.lines)
