"""What commands over all records of a store cost in memory and CPU as the store grows."""

from __future__ import annotations

import argparse
import itertools
import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bench import ASSETMILL, CONFIGS, headline
from benchmarks.full_store import lay_out
from benchmarks.places import KINDS, Kind, at

MOST_MB = 100
MOST_S = 1800.0
_EVERY_S = 0.1


def commands(asset_id: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that are measured."""
    return (
        ("assets",),
        ("assets", "--json"),
        ("assets", "--all"),
        ("spend",),
        ("lineage", asset_id),
        ("pipelines",),
        ("show",),
        ("gc", "--older-than", "0d", "--dry-run"),
        ("verify",),
    )


@dataclass(frozen=True)
class Measured:
    """What a command took. `first_s` is when it first said something, on its standard error."""

    peak_mb: float
    cpu_s: float
    wall_s: float
    first_s: float | None
    is_whole: bool = True


def measure(home: Path, command: Sequence[str], place: Mapping[str, str], most_s: float) -> Measured:
    """Run a command as on a terminal, for a while; what it prints on its standard output goes nowhere.

    Raises:
        RuntimeError: it failed, so that the figures say nothing.
    """
    settings = {"ASSETMILL_HOME": str(home), "ASSETMILL_CONFIGS": str(CONFIGS), **place}
    ours, its = pty.openpty()
    began, first_s, peak_kb, told, is_whole = time.perf_counter(), None, 0, b"", True
    process = subprocess.Popen(
        [ASSETMILL, *command], env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=its
    )
    os.close(its)
    # Its own peak: what the kernel tells at its end counts this process, too, from which it was forked.
    status = Path(f"/proc/{process.pid}/status")
    with open(ours, "rb", buffering=0) as terminal:
        while (peak := status.read_text(encoding="utf-8").partition("VmHWM:")[2]) or not peak_kb:
            peak_kb = max(peak_kb, int(peak.split()[0]) if peak else 0)
            if select.select([terminal], [], [], _EVERY_S)[0]:
                with suppress(OSError):  # its end has closed the other side
                    told = (told + terminal.read(4096))[-4096:]
                    first_s = first_s or time.perf_counter() - began
            if is_whole and time.perf_counter() - began > most_s:
                is_whole = False
                process.terminate()
    _, ended, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(ended)
    if is_whole and process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {told.decode()}")
    wall_s = time.perf_counter() - began
    return Measured(peak_kb / 1024, used.ru_utime + used.ru_stime, wall_s, first_s, is_whole)


def tell(title: str, command: Sequence[str], found: Measured) -> None:
    """Print what a command took."""
    said = f"{found.first_s:4.1f} s" if found.first_s else "     -"
    told = "met" if found.peak_mb <= MOST_MB else "MISSED"
    name, ended = " ".join(command)[:28], "ended" if found.is_whole else "stopped"
    print(
        f"  {name:28} {title}  {found.peak_mb:4.0f} MB  first said {said},"
        f" {ended} {found.wall_s:6.1f} s, {found.cpu_s:6.1f} s CPU  {told}",
        flush=True,
    )


def main(
    stages: Sequence[int] = (20_000,),
    kinds: Sequence[Kind] = ("directory",),
    only: Sequence[str] = (),
    most_s: float = MOST_S,
) -> None:
    print(f"peak memory of commands over all records; at most {MOST_MB} MB")
    for kind, number in itertools.product(kinds, stages):
        with TemporaryDirectory(prefix="assetmill-bench-") as name, at(kind, Path(name)) as place:
            home = Path(name) / "home"
            asset_id = lay_out(place, "full", home, number)
            for command in commands(asset_id):
                if not only or command[0] in only:
                    found = measure(home, command, place.environment("full"), most_s)
                    tell(f"{kind:9} {number:8,} stages", command, found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, nargs="+", default=[20_000])
    parser.add_argument("--on", choices=KINDS, nargs="+", default=["directory"])
    parser.add_argument("--only", metavar="COMMAND", nargs="+", default=[])
    parser.add_argument("--most-s", type=float, default=MOST_S, help="stop a command after so long")
    chosen = parser.parse_args()
    print(headline())
    main(chosen.stages, chosen.on, chosen.only, chosen.most_s)
