"""What a new stage costs in a store that holds many: nothing on its way may grow with the store."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from assetmill.plan.calls import StageCall
from benchmarks.bench import headline
from benchmarks.full_store import lay_out
from benchmarks.places import KINDS, Kind, Place, at
from benchmarks.scripted_stages import picture, table, walk

STAGES, ROUNDS = 40, 5
MOST = 1.1
"""Times what the same stage costs in an empty store."""

FULL = "full"


def measure(place: Place, home: Path, kind: Callable[[str], StageCall], title: str) -> float:
    """Return how many times a new stage costs what it costs in an empty store: the median of some rounds."""
    found: list[tuple[float, float]] = []
    asked: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        calls = [kind(f"{title}.{number}.{one}") for one in range(STAGES)]
        with closing(place.open(f"empty-{kind.__name__}-{number}")) as empty:
            empty_ms, of_empty = walk(empty, home, calls)
        with closing(place.open(FULL)) as full:
            full_ms, of_full = walk(full, home, calls)
        found.append((empty_ms, full_ms))
        asked.append((of_empty, of_full))
    empty_ms, full_ms = (statistics.median(times) for times in zip(*found, strict=True))
    ratio = statistics.median(full / empty for empty, full in found)
    told = "met" if ratio <= MOST else "MISSED"
    costs = f"{empty_ms:5.2f} ms -> {full_ms:5.2f} ms"
    requests = " -> ".join(f"{statistics.median(each):.1f}" for each in zip(*asked, strict=True))
    print(f"  {kind.__name__:8} {title}  {costs}  {ratio:5.2f}  {told}; requests {requests}", flush=True)
    return ratio


def main(records: Sequence[int] = (20_000,), kinds: Sequence[Kind] = ("directory",)) -> None:
    print(f"CPU of a new stage, empty store -> full one; at most {MOST} times, medians of {ROUNDS}")
    for where in kinds:
        for number in records:
            with TemporaryDirectory(prefix="assetmill-bench-") as name, at(where, Path(name)) as place:
                home = Path(name) / "home"
                lay_out(place, FULL, home, number)
                for kind in (picture, table):
                    measure(place, home, kind, f"{where:9} {number:8,} records")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[20_000])
    parser.add_argument("--on", choices=KINDS, nargs="+", default=["directory"])
    chosen = parser.parse_args()
    print(headline())
    main(chosen.records, chosen.on)
