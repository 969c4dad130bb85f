"""How close a batch comes to what the quota of its model deployment allows: one process, and three at once.

python -m benchmarks.pacing            about four and a half minutes
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from assetmill.api import run_with
from assetmill.records import RunId
from assetmill.settings import Quota, Rate, Settings, load_settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import open_services
from benchmarks.bench import Control, fresh_home, headline, write_pipeline
from tests.doubles import stage_call

MODEL, WIDTH = "gpt-4.1-mini", 16
A_MINUTE = int(os.environ.get("BENCH_A_MINUTE", "120"))
# The last minute's part is what this machine must work off after the quota allows it: half of one.
STAGES = A_MINUTE * 5 // 2
TARGETS = {1: 1.05, 3: 1.15}
REFUSED = 0.02


def ideal_s(stages: int, a_minute: float) -> float:
    """Return when the last request can be admitted at the soonest: a full minute's quota opens at once."""
    return (stages - 1) // a_minute * 60.0


def settings_for(share: float) -> Settings:
    quota = Quota(share=share, deployments={MODEL: Rate(requests=A_MINUTE)})
    settings = load_settings("local")
    foundry = settings.foundry.model_copy(update={"poll_s": 0.25})  # canned pictures take no time
    return settings.model_copy(update={"quota": quota, "foundry": foundry})


def work(mark: str, count: int, share: float) -> None:
    """Run that many stages in this process: each has a thread, and waits for the quota and for a slot."""
    calls = [stage_call(prompt=f"Draw mug {mark} {number}.", extra={"mark": mark}) for number in range(count)]
    with open_services(settings_for(share)) as services, ThreadPoolExecutor(count) as pool:
        _ = services.gateway  # importing the SDKs is no part of what is measured
        print("ready", flush=True)
        sys.stdin.readline()
        for done in [pool.submit(run_stage, call, services, RunId(f"run-{mark}")) for call in calls]:
            done.result()


def measure(control: Control, processes: int) -> tuple[float, float]:
    """Return seconds until the last stage is done, and the share of requests that were refused."""
    each = STAGES // processes
    posts = control.posts()
    workers: list[subprocess.Popen[str]] = []
    for number in range(processes):
        arguments = [f"{processes}-{number}-{os.getpid()}", str(each), repr(1 / processes)]
        command = [sys.executable, "-m", "benchmarks.pacing", "--worker", *arguments]
        workers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for worker in workers:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    started = time.perf_counter()
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    ended = [worker.wait() for worker in workers]
    wall_s = time.perf_counter() - started
    for worker in workers:
        worker.communicate()
    assert not any(ended), ended
    asked = control.posts() - posts
    return wall_s, (asked - each * processes) / asked


def start_emulator(home: Path) -> Control:
    """Start the services of this home with one quick run, and give its model deployment a quota."""
    with open_services(load_settings("local")) as services:
        run_with(services, str(write_pipeline(home, 1)), {}, say=lambda _: None)
    control = Control(home)
    control.ask("POST", "/settings", {"canned_pictures": True})
    return control


def main() -> None:
    os.environ["ASSETMILL_CONCURRENCY"] = str(WIDTH)
    with fresh_home() as home:
        control = start_emulator(home)
        control.ask("POST", "/settings", {"quota": {MODEL: {"requests_per_minute": A_MINUTE}}})
        found: dict[int, tuple[float, float]] = {}
        for processes in TARGETS:
            # The service's minute begins anew: nothing of the last measurement counts in this one.
            control.ask("POST", "/clock", {"advance_s": 120})
            found[processes] = measure(control, processes)
    print(f"{STAGES} one-picture stages at {A_MINUTE} requests a minute, {WIDTH} at once in each process")
    for processes, (wall_s, refused) in found.items():
        ideal = ideal_s(STAGES // processes, A_MINUTE / processes)
        ratio = f"{wall_s / ideal:5.3f} of the ideal   target: {TARGETS[processes]}"
        print(f"  {processes} at once   {wall_s:6.1f} s, ideal {ideal:.0f} s   {ratio}")
        print(f"              {refused:6.1%} of the requests refused        target: under {REFUSED:.0%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--worker", nargs=3, metavar=("MARK", "COUNT", "SHARE"), help=argparse.SUPPRESS)
    if worker_options := parser.parse_args().worker:
        work(worker_options[0], int(worker_options[1]), float(worker_options[2]))
    else:
        print(headline())
        main()
