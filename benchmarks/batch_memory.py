"""How the memory of a batch of one image stage follows its number of rows: it should not."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from assetmill.batches.opening import BatchOrder, prepare
from assetmill.cli.batch import run_batch_with
from assetmill.settings import Settings, load_settings
from assetmill.stage.services import open_services
from benchmarks.batch import Memory, write_rows
from benchmarks.bench import Control, fresh_home, headline

ROWS = (300, 1_000, 3_000, 10_000)
LATENCY_S, AT_ONCE = 0.5, 50

PIPELINE = """
name: bench-memory
parameters:
  product: {title: Product}
stages:
  - name: drawn
    prompt: Draw {{ product }}, flat style.
    tools: [{type: image_generation, size: 1024x1024, quality: low}]
    outputs: [{name: picture.png}]
"""


def carry_out(settings: Settings, pipeline: Path, rows: str) -> None:
    """Run a batch to its end."""
    with open_services(settings) as services:
        manifest = run_batch_with(prepare(BatchOrder(str(pipeline), rows), services), services)
    assert manifest.status == "completed", manifest.reason


def peak_mb() -> float:
    """Return the most memory that this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(count: int) -> None:
    """Run a batch of so many rows after one of two, which imports and connects, and tell what it took."""
    os.environ["ASSETMILL_CONCURRENCY"] = str(AT_ONCE)
    with fresh_home() as home:
        pipeline = home / "bench-memory.yaml"
        pipeline.write_text(PIPELINE)
        settings = load_settings("local")
        carry_out(settings, pipeline, write_rows(home, 2, "warm "))
        Control(home).ask("POST", "/settings", {"canned_pictures": True, "latency_s": LATENCY_S})
        before_mb, started, cpu_s = peak_mb(), time.perf_counter(), time.process_time()
        with Memory() as memory:
            carry_out(settings, pipeline, write_rows(home, count))
        wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_s
        server = int(json.loads((home / "prefect" / "process.json").read_bytes())["pid"])
        status = Path(f"/proc/{server}/status").read_text(encoding="utf-8")
        served_mb = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    quarters = ", ".join(f"{memory.quarter(number):.0f}" for number in range(4))
    print(
        f"  {count:6,} rows  peak {peak_mb():4.0f} MB, before {before_mb:.0f}, by quarters {quarters};"
        f" Prefect's server {served_mb:.0f} MB; {wall_s:.0f} s, {cpu_s * 1000 / count:.1f} ms of CPU a row",
        flush=True,
    )


def main(rows: Sequence[int] = ROWS) -> None:
    print(f"memory of a batch, one picture of {LATENCY_S} s a row, {AT_ONCE} at once", flush=True)
    for count in rows:
        subprocess.run([sys.executable, "-m", "benchmarks.batch_memory", "--alone", str(count)], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--alone", action="store_true", help="in this process: its memory is what counts")
    chosen = parser.parse_args()
    if chosen.alone:
        measure(*chosen.rows)
    else:
        print(headline(), flush=True)
        main(chosen.rows)
