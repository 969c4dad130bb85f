"""What commands over all records of a store cost in memory and CPU as the store grows."""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bench import ASSETMILL, CONFIGS, headline
from benchmarks.full_store import lay_out

MOST_MB = 100


def commands(asset_id: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that are measured."""
    return (
        ("assets",),
        ("assets", "--json"),
        ("assets", "--all"),
        ("spend",),
        ("verify", "--sizes"),
        ("gc", "--older-than", "0d", "--dry-run"),
        ("lineage", asset_id),
        ("pipelines",),
        ("show",),
    )


def measure(home: Path, command: Sequence[str]) -> tuple[float, float]:
    """Return the peak memory in MB and the CPU in seconds of a command; its output goes nowhere.

    Raises:
        RuntimeError: it failed, so that the figures say nothing.
    """
    settings = {"ASSETMILL_HOME": str(home), "ASSETMILL_CONFIGS": str(CONFIGS)}
    process = subprocess.Popen(
        [ASSETMILL, *command],
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {told[-500:]}")
    return used.ru_maxrss / 1024, used.ru_utime + used.ru_stime


def main(stages: Sequence[int] = (20_000,)) -> None:
    print(f"peak memory of commands over all records; at most {MOST_MB} MB")
    for number in stages:
        with TemporaryDirectory(prefix="assetmill-bench-") as name:
            home = Path(name)
            asset_id = lay_out(home / "store", home, number)
            for command in commands(asset_id):
                peak_mb, cpu_s = measure(home, command)
                told = "met" if peak_mb <= MOST_MB else "MISSED"
                title = " ".join(command)[:28]
                print(f"  {title:28} {number:8,} stages  {peak_mb:6.0f} MB  {cpu_s:6.1f} s CPU  {told}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, nargs="+", default=[20_000])
    chosen = parser.parse_args()
    print(headline())
    main(chosen.stages)
