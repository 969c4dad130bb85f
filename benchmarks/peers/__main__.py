"""Measure the same one-picture stages under other orchestrators and under assetmill, side by side.

    python -m benchmarks.peers             all but the slow ones: 300 stages, 50 at once, 3 rounds
    python -m benchmarks.peers threads assetmill --stages 60 --at-once 20 --rounds 1

Each peer gets an environment of its own with the versions that `peers.toml` pins (`--environments FOLDER`
keeps them for the next time). The emulator is a process of its own and the same for all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from assetmill.local.services import local_services
from assetmill.settings import load_settings
from benchmarks.bench import fresh_home, headline
from benchmarks.peers.installing import NotInstalled, Peer, chosen, install, load
from benchmarks.peers.measuring import Bench, Order, Pass, ProgramFailed
from benchmarks.peers.servers import NotStarted
from benchmarks.peers.table import table

_FAILED = (ProgramFailed, NotStarted)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="only peers that have one of these in their name")
    parser.add_argument("--stages", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.5, 2.0], metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--poll", type=float, default=0.25, help="seconds between questions of a peer")
    parser.add_argument("--environments", type=Path, help="keep the peers' environments in this folder")
    parser.add_argument("--json", action="store_true", help="print every pass instead of the table")
    return parser


def main() -> int:
    parser = _parser()
    asked = parser.parse_args()
    peers = chosen(load(), asked.names)
    if not peers:
        parser.error(f"no peer has one of {asked.names} in its name; see peers.toml")
    order = Order(asked.stages, asked.at_once, asked.poll)
    print(headline(), file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        found = _compare(peers, asked.environments or Path(scratch), order, asked.latency, asked.rounds)
    passes, missing = found
    if asked.json:
        document = {"passes": [one.document() for one in passes], "missing": missing}
        print(json.dumps({"about": headline(), **document}, indent=1))
    else:
        print("\n".join(table(peers, passes, missing, asked.latency)))
    return 1 if missing else 0


def _compare(
    peers: list[Peer], environments: Path, order: Order, latencies_s: list[float], rounds: int
) -> tuple[list[Pass], dict[str, str]]:
    """Measure in turn, round by round; return the passes, and why peers are missing."""
    passes, missing, commands = list[Pass](), dict[str, str](), dict[str, Path]()
    for peer in peers:
        try:
            commands[peer.name] = install(peer, environments)
        except NotInstalled as error:
            missing[peer.name] = str(error)
    with fresh_home() as home:
        settings = load_settings("local")
        with local_services(settings, prefect=False) as local:
            local.wait_for_emulator()
            bench = Bench(home, order)
            for number in range(rounds):
                for peer in peers:
                    if peer.name not in missing:
                        print(f"round {number + 1}: {peer.name}", file=sys.stderr, flush=True)
                        try:
                            passes += bench.measure(peer, commands[peer.name], latencies_s)
                        except _FAILED as error:
                            missing[peer.name] = str(error)
    return passes, missing


if __name__ == "__main__":
    sys.exit(main())
