"""A run of 200 stages of which nothing has changed: no service call, a handful of store requests."""

from __future__ import annotations

import time

from assetmill.api import run_with
from assetmill.settings import load_settings
from assetmill.stage.services import open_services
from benchmarks.bench import Control, fresh_home, headline, write_pipeline

STAGES = 200


def main() -> None:
    with fresh_home() as home:
        pipeline = str(write_pipeline(home, STAGES))
        quick = str(write_pipeline(home, 1))
        settings = load_settings("local")
        with open_services(settings) as services:
            run_with(services, quick, {}, say=lambda _: None)
            control = Control(home)
            control.ask("POST", "/settings", {"canned_pictures": True})
            made = run_with(services, pipeline, {}, say=lambda _: None)
        posts = control.posts()
        with open_services(settings) as services:
            before, started, cpu = services.backend.requests, time.perf_counter(), time.process_time()
            again = run_with(services, pipeline, {}, say=lambda _: None)
            wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
            requests = services.backend.requests - before
        assert [stage.status for stage in again.stages] == ["reused"] * STAGES, "something ran again"
        print(f"no-op run of {len(made.stages)} stages, in a process that has Prefect imported")
        print(f"  responses asked for                {control.posts() - posts:6d}     target: 0")
        print(f"  object-store requests              {requests:6d}     target: at most 10")
        print(f"  wall                               {wall_s:6.2f} s")
        print(f"  CPU of this process                {cpu_s:6.2f} s")


if __name__ == "__main__":
    print(headline())
    main()
