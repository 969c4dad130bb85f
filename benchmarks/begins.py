"""How far apart the stages of one process should begin: the makespan of many, by each rule in turn.

Plain threads with the same calls, and the engine with a distance of all, some and none of the CPU that a
stage costs, one after the other in each round, so that what else the machine does is in all of them.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from assetmill.agents.ready_file import read_ready_file
from assetmill.local.services import local_services
from assetmill.records import RunId
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import Settings, load_settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import open_services
from assetmill.stage.slots import Slots
from benchmarks.bench import Control, fresh_home, headline, write_pipeline
from benchmarks.stage_cpu import Script

STAGES, WIDTH = int(os.environ.get("BENCH_STAGES", "300")), int(os.environ.get("BENCH_WIDTH", "50"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
LATENCIES_S = (0.5, 2.0)
RULES = {"all its CPU": 1.0, "three quarters": 0.75, "half": 0.5, "a quarter": 0.25, "none": 0.0}
"""How far apart, as a part of the CPU that a stage costs this process."""


def makespan_s(work: Callable[[int], object], first: int) -> float:
    """Return how long all stages take, so many at once."""
    started = time.perf_counter()
    with ThreadPoolExecutor(WIDTH) as pool:
        list(pool.map(work, range(first, first + STAGES)))
    return time.perf_counter() - started


def engine_s(settings: Settings, pipeline: str, part: float) -> float:
    """Return the makespan in the engine; opening what stages share is not counted."""
    with open_services(settings) as services:
        services.slots = Slots(
            WIDTH, services.clock, services.wait, used_s=lambda: time.process_time() * part
        )
        plan = plan_pipeline(pipeline, {}, settings, services.ledger)
        calls = [stage.call for stage in plan.stages if stage.call]
        run_stage(calls[0], services, RunId("run-bench"))
        return makespan_s(lambda number: run_stage(calls[number], services, RunId("run-bench")), 1)


def measured(settings: Settings, script: Script, latency_s: float, numbers: Iterator[int]) -> None:
    """Print the makespan by each rule as times the ideal one."""
    ideal_s = -(-STAGES // WIDTH) * latency_s
    found: dict[str, list[float]] = {"plain threads": [], **{name: [] for name in RULES}}
    for _ in range(ROUNDS):
        found["plain threads"].append(makespan_s(script.stage, next(numbers)) / ideal_s)
        for name, part in RULES.items():
            path = write_pipeline(settings.home, STAGES + 1)
            path.write_text(path.read_text().replace("teal mug", f"teal mug {next(numbers)}"))
            found[name].append(engine_s(settings, str(path), part) / ideal_s)
    print(f"{STAGES} stages of {latency_s} s, {WIDTH} at once: times the ideal, medians of {ROUNDS}")
    for name, ratios in found.items():
        print(f"  {name:14} {statistics.median(ratios):5.2f}   {min(ratios):.2f} to {max(ratios):.2f}")


def main() -> None:
    os.environ["ASSETMILL_CONCURRENCY"] = str(WIDTH)
    numbers = itertools.count(1000, 1000)
    with fresh_home() as home:
        settings = load_settings("local")
        with local_services(settings, prefect=False) as local:
            local.wait_for_emulator()
            script = Script(read_ready_file(settings.emulator_home / "ready.json"), home)
            script.stage(0)
            for latency_s in LATENCIES_S:
                Control(home).ask("POST", "/settings", {"canned_pictures": True, "latency_s": latency_s})
                measured(settings, script, latency_s, numbers)
            script.close()


if __name__ == "__main__":
    print(headline())
    main()
