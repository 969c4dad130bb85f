"""Drive the emulator with clients that others wrote, each as it is published.

    python -m benchmarks.foreign [--newest] [--seed N] [part of a client's name ...]

Each client gets a temporary environment and an emulator of its own. What is tried, and what is left out for
which reason, stands in `clients.toml`. Ends with 1 when a program failed or a client could not be installed.
"""

from __future__ import annotations

import argparse
import datetime
import secrets
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.foreign.clients import Client, NotInstalled, install, load
from benchmarks.foreign.trying import Trial, coined, try_client
from benchmarks.vendor.emulator import started

_LAST_LINES = 40


@dataclass(frozen=True)
class Row:
    """A client in the table."""

    client: Client
    version: str
    trial: Trial | None
    problem: str = ""

    @property
    def is_good(self) -> bool:
        """Say whether everything passed."""
        return self.trial is not None and not self.trial.failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.foreign", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--newest", action="store_true", help="the newest versions instead of the pinned ones"
    )
    parser.add_argument("--seed", type=int, help="coin the words of an earlier run again")
    parser.add_argument("names", nargs="*", help="only clients that have one of these in their name")
    options = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    chosen = [
        client for client in load() if not options.names or any(part in client.name for part in options.names)
    ]
    if not chosen:
        parser.error(f"no client has one of {options.names} in its name; see clients.toml")
    print(f"seed {seed}", flush=True)
    rows = [_row(client, seed, newest=options.newest) for client in chosen]
    print("\n".join(["", *table(rows), "", *left_out(chosen)]))
    return 0 if all(row.is_good for row in rows) else 1


def _row(client: Client, seed: int, *, newest: bool) -> Row:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "client"
        try:
            installed = install(client, folder, newest=newest)
        except NotInstalled as error:
            print(f"{client.name}: {error}", flush=True)
            return Row(client, "", None, str(error))
        with started(Path(scratch) / "emulator") as running:
            trial = try_client(client, installed, folder, running, coined(seed))
    for name, problem in trial.problems.items():
        print(f"{client.name} {installed.version}  {name}  {problem or 'passed'}", flush=True)
    if trial.failed:
        print("\n".join(trial.output.splitlines()[-_LAST_LINES:]), flush=True)
    return Row(client, installed.version, trial)


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table of all clients, as `benchmarks/README.md` keeps it."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [f"| client ({day}) | version | passed | failed | why |", "|---|---|---|---|---|"]
    for row in rows:
        problems = row.trial.problems if row.trial else dict.fromkeys(row.client.programs, row.problem)
        failed = {name: problem for name, problem in problems.items() if problem}
        why = (
            "; ".join(f"{name}: {problem}" for name, problem in failed.items()) if row.trial else row.problem
        )
        passed = len(problems) - len(failed)
        name = f"`{row.client.package}` ({row.client.runtime})"
        lines.append(f"| {name} | {row.version} | {passed} | {len(failed)} | {why} |")
    return lines


def left_out(clients: Sequence[Client]) -> list[str]:
    """Return what is out of scope, with its reason."""
    return [
        f"left out: {client.name} {name}: {reason}"
        for client in clients
        for name, reason in client.left_out.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
