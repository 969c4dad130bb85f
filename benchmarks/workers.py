"""How the time of a batch follows the number of its workers, on a real Prefect with process workers.

python -m benchmarks.workers             one, two and four workers: about eight minutes
python -m benchmarks.workers 1 4 --rows 16 --a-minute 40     with a quota
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from tests.batchworks import products
from tests.millworks import PICTURE, write_configs
from tests.server.stack import POOL, Stack, stack

LATENCY_S, STAGES = 20.0, 2
TARGET = 3.6
"""Four workers are to be that much faster than one."""

PIPELINE = f"""
name: plain
parameters:
  product: {{title: Product}}
stages:
  - name: scene
    prompt: Draw {{{{ product }}}}.{PICTURE % "scene"}
  - name: night
    prompt: Draw {{{{ product }}}} again at night.{PICTURE % "night"}
    inputs: [{{from: scene}}]
"""


def prepare(made: Stack) -> None:
    made.start_emulator(canned_pictures=True, latency_s=LATENCY_S)
    made.api("POST", "/work_pools/", {"name": POOL, "type": "process"})
    told = made.run("assetmill", "deploy", "--work-pool", POOL, "--shards-only")
    assert told.returncode == 0, told.stderr


def online(made: Stack) -> int:
    workers: list[dict[str, str]] = made.api("POST", f"/work_pools/{POOL}/workers/filter", {}) or []
    return sum(worker["status"] == "ONLINE" for worker in workers)


def measure(made: Stack, workers: int, rows: int, shard: int) -> float:
    """Return the seconds that a batch takes, from the command to its end."""
    table = products(made.folder, *(f"thing {workers} {number}" for number in range(rows)))
    command = ["assetmill", "batch", "plain", "--rows", table, "--work-pool", POOL, "--shard", str(shard)]
    started = time.monotonic()
    told = made.run(*command, "--json", timeout=3000)
    took_s = time.monotonic() - started
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr + made.logs()
    document = json.loads(told.stdout)
    assert (document["status"], len(document["rows"])) == ("completed", rows), document["status"]
    return took_s


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("workers", nargs="*", type=int, default=[1, 2, 4])
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--shard", type=int, default=8)
    parser.add_argument(
        "--width", type=int, default=0, help="Stages at once in each worker; else the profile's."
    )
    parser.add_argument("--a-minute", type=int, default=0, help="A quota; the ideal is what it allows.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir="/tmp") as short:
        configs = write_configs(Path(folder) / "configs", plain=PIPELINE)
        if asked.a_minute:
            quota = f'\n[quota.deployments]\n"gpt-image-2" = {{ images = {asked.a_minute} }}\n'
            profiles = configs / "profiles"
            text = (profiles / "local.toml").read_text()
            profiles.unlink()  # a link to the real ones
            profiles.mkdir()
            (profiles / "local.toml").write_text(text + quota)
        with stack(Path(folder), Path(short), configs) as made:
            if asked.width:
                made.environment["ASSETMILL_CONCURRENCY"] = str(asked.width)
            prepare(made)
            return compare(made, asked.workers, asked.rows, asked.shard)


def compare(made: Stack, workers: list[int], rows: int, shard: int) -> int:
    print(f"{rows} rows x {STAGES} stages of {LATENCY_S:.0f} s")
    running, first_s = 0, 0.0
    for count in workers:
        while running < count:
            running += 1
            made.start_worker(f"w{running}")
        made.wait_until(lambda count=count: online(made) == count, "the workers")
        took_s = measure(made, count, rows, shard)
        first_s = first_s or took_s
        print(f"{count} workers: {took_s:6.1f} s, {first_s / took_s:.2f} times as fast", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
