"""The table of all peers, as `benchmarks/README.md` keeps it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from benchmarks.peers.installing import Peer
from benchmarks.peers.measuring import Pass


def table(
    peers: Sequence[Peer], passes: Sequence[Pass], missing: Mapping[str, str], latencies_s: Sequence[float]
) -> list[str]:
    """Return the lines of the table: medians of all rounds, and why a peer is missing."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    ideals = [f"time / ideal at {latency_s:g} s" for latency_s in latencies_s]
    heads = [f"peer ({day})", "version", *ideals, "CPU ms a stage + server", "peak MB"]
    rows = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for peer in peers:
        mine = [one for one in passes if one.peer == peer.name]
        cells = _cells(mine, latencies_s) if mine else [""] * (len(latencies_s) + 2)
        rows.append("| " + " | ".join([peer.about, peer.version, *cells]) + " |")
    reasons = [f"{name} is missing: {reason}" for name, reason in missing.items()]
    return [*rows, *([""] if reasons else []), *reasons]


def _cells(mine: Sequence[Pass], latencies_s: Sequence[float]) -> list[str]:
    def middle(of: Callable[[Pass], float]) -> float:
        return median(map(of, mine))

    ratios = [median([one.ratio for one in mine if one.latency_s == each]) for each in latencies_s]
    server = middle(lambda one: one.server_cpu_ms)
    cpu = f"{middle(lambda one: one.cpu_ms):.1f}" + (f" + {server:.1f}" if server >= 0.05 else "")
    peak = max((one.peak_mb for one in mine), default=0.0)
    return [*(f"{ratio:.2f}" for ratio in ratios), cpu, f"{peak:.0f}"]
