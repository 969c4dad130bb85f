"""How long `assetmill plan` takes, and `assetmill run` until its first service call.

With the bytecode that an installation has: a development environment may be told to write none, and would
then compile the product, and nothing of what it is compared with, at each start.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from foundry_emulator.at_rest import read_bill

from benchmarks import first_post
from benchmarks.bench import ASSETMILL, fresh_home, headline, stop_services, write_pipeline

ROUNDS = 7

ROWS = """
name: bench-rows
parameters:
  thing: {title: Thing}
stages:
  - name: picture
    prompt: Draw {{ thing }}, flat style.
    tools: [{type: image_generation, size: 1024x1024, quality: low}]
    outputs: [{name: picture.png}]
"""


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def first_charge_s(home: Path, number: int) -> float:
    """Return the seconds from starting `assetmill run` to the first charge: later than the first call."""
    pipeline = home / f"one-{number}.yaml"
    pipeline.write_text(write_pipeline(home, 1).read_text().replace("teal mug", f"teal mug {number}"))
    started = time.time()
    seconds([ASSETMILL, "run", str(pipeline), "--json"])
    charged = [float(charge["at"]) for charge in read_bill(home / "emulator")]
    return min(at for at in charged if at > started) - started


def cpu_s(command: list[str]) -> float:
    """Return the least CPU that a command took, in seconds: what else the machine does counts less."""
    found: list[float] = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds(command)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def help_texts() -> None:
    """Compare `--help` with what importing its parser alone takes."""
    base_s = cpu_s([sys.executable, "-c", "import click"])
    print("CPU of `--help`, least of", ROUNDS, "against `python -c 'import click'`")
    for words in ([], ["run"], ["emulator", "bill"]):
        ratio = cpu_s([ASSETMILL, *words, "--help"]) / base_s
        print(f"  assetmill {' '.join([*words, '--help']):24} {ratio:6.2f}     target: at most 1.5")


def nothing_to_do(pipeline: Path) -> None:
    """Compare a run of which everything is made with its plan: neither needs Prefect."""
    seconds([ASSETMILL, "run", str(pipeline)])
    ratio = cpu_s([ASSETMILL, "run", str(pipeline)]) / cpu_s([ASSETMILL, "plan", str(pipeline)])
    print("CPU of `run` with nothing to do, 20 stages, against `plan`, least of", ROUNDS)
    print(f"  ratio                              {ratio:6.2f}     target: at most 1.5")


def batch_with_nothing_to_do(home: Path) -> None:
    """Compare a batch of which every row is done with its plan: neither needs Prefect."""
    pipeline, rows = home / "bench-rows.yaml", home / "rows.csv"
    pipeline.write_text(ROWS)
    rows.write_text("\n".join(["thing", *(f"mug {number}" for number in range(20))]))
    command = [ASSETMILL, "batch", str(pipeline), "--rows", str(rows)]
    seconds(command)
    ratio = cpu_s(command) / cpu_s([*command, "--plan"])
    print("CPU of `batch` with nothing to do, 20 rows, against `batch --plan`, least of", ROUNDS)
    print(f"  ratio                              {ratio:6.2f}     target: at most 1.5")


def keep_bytecode(folder: Path) -> None:
    """Let every command of this process find bytecode, as one that was installed does."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")


def cold_plan(pipeline: Path) -> None:
    """Compare a plan with what importing two libraries takes, in turn."""
    base = [sys.executable, "-c", "import pydantic, yaml"]
    plan = [ASSETMILL, "plan", str(pipeline)]
    ratio = cpu_s(plan) / cpu_s(base)
    print("CPU of `plan` of 20 stages against `python -c 'import pydantic, yaml'`, least of", ROUNDS)
    print(f"  ratio                              {ratio:6.2f}     target: at most 3")


def main() -> None:
    with fresh_home() as home:
        keep_bytecode(home)
        seconds([ASSETMILL, "plan", str(write_pipeline(home, 1))])
        help_texts()
        pipeline = write_pipeline(home, 20)
        nothing_to_do(pipeline)
        batch_with_nothing_to_do(home)
        stop_services()
        cold_plan(pipeline)
        print("from starting `assetmill run` to the first charge on the bill")
        print(f"  first run in this directory        {first_charge_s(home, 1):6.2f} s")
        print(f"  next run, services running         {first_charge_s(home, 2):6.2f} s   target: at most 10")
        first_post.measure(home)
        stop_services()
        print(f"  next run, services stopped         {first_charge_s(home, 3):6.2f} s   target: at most 10")


if __name__ == "__main__":
    print(headline())
    main()
