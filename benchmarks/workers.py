"""How the time of a batch follows the number of its workers: of a Prefect pool, of Dask and of Ray.

python -m benchmarks.workers 1 4 --rows 32 --width 4        one and four workers: about eight minutes
python -m benchmarks.workers 1 4 --on pool dask ray         on each in turn, with the extras dask and ray
python -m benchmarks.workers 2 --rows 100 --width 30 --a-minute 60     a quota: about four minutes
"""

from __future__ import annotations

import argparse
import compileall
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from assetmill.settings import load_settings
from assetmill.stage.services import open_services
from assetmill.store import batch_layout
from benchmarks.bench import Control, headline
from benchmarks.worker_costs import Costs, Stage, costs, most_in_a_minute, stages_since, used_part
from benchmarks.worker_places import PLACES, Order, done_on, leave
from tests.batchworks import products
from tests.millworks import PICTURE, write_configs
from tests.server.stack import POOL, Stack, set_emulator, stack

ROOT = Path(__file__).resolve().parent.parent
LATENCY_S, STAGES, MODEL = 20.0, 2, "gpt-image-2"
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


@dataclass(frozen=True)
class Asked:
    """What is measured: rows, the most of them in a piece, slots of each worker, a quota, 0 for none."""

    rows: int
    shard: int
    width: int
    latency_s: float
    a_minute: int


@dataclass(frozen=True)
class Measured:
    """What one batch has taken.

    `refused` counts posts that the service did not take for its quota, `unpaid` attempts that were no good.
    """

    took_s: float
    stages: list[Stage]
    costs: Costs
    refused: int
    unpaid: int


def prepare(made: Stack, asked: Asked) -> None:
    made.start_emulator(canned_pictures=True, latency_s=asked.latency_s)
    if asked.a_minute:
        quota = {MODEL: {"images_per_minute": asked.a_minute}}
        set_emulator(made.home / "emulator" / "ready.json", quota=quota)
    made.api("POST", "/work_pools/", {"name": POOL, "type": "process"})
    told = made.run("assetmill", "deploy", "--work-pool", POOL, "--shards-only", "--python", sys.executable)
    assert told.returncode == 0, told.stderr


def measure(made: Stack, place: str, count: int, asked: Asked) -> Measured:
    """Do a batch of new rows, from the order to its end, and look at what it has left in the store."""
    name = f"{place}-with-{count}"
    table = products(made.folder, *(f"thing {name} {number}" for number in range(asked.rows)))
    posts, pictures = Control(made.home).posts(), made.pictures()
    done = done_on(place, made, Order(table, name, asked.rows, asked.shard, count))
    refused = Control(made.home).posts() - posts - (made.pictures() - pictures)
    settings = load_settings("local", {k: v for k, v in made.environment.items() if "ASSETMILL" in k})
    with open_services(settings) as services:
        stages, unpaid = stages_since(services, "plain", done.began_at)
        leases = {
            entry.key.rpartition("/")[2] for entry in services.backend.list(f"{batch_layout.prefix(name)}w/")
        }
    assert len(stages) == asked.rows * STAGES, f"{len(stages)} stages of {asked.rows} rows"
    pieces = len({lease.partition(".")[0] for lease in leases} - {"all"})
    found = costs(stages, done.processes, done.began_at, asked.width, pieces)
    return Measured(done.ended_at - done.began_at, stages, found, refused, unpaid)


def keep_bytecode() -> None:
    """Let every process find bytecode of the product, as in an installation, though it may write none."""
    for package in ("assetmill", "flows", "tasks"):
        compileall.compile_dir(ROOT / package, quiet=1)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("workers", nargs="*", type=int, default=[1, 2, 4])
    parser.add_argument("--on", nargs="+", choices=PLACES, default=["pool"], help="Where workers are.")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--shard", type=int, default=8)
    parser.add_argument("--width", type=int, default=4, help="Stages at once in each worker.")
    parser.add_argument("--latency", type=float, default=LATENCY_S, help="How long the service takes.")
    parser.add_argument("--a-minute", type=int, default=0, help="A quota of pictures.")
    told = parser.parse_args()
    keep_bytecode()
    asked = Asked(told.rows, told.shard, told.width, told.latency, told.a_minute)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir="/tmp") as short:
        configs = write_configs(Path(folder) / "configs", plain=PIPELINE)
        if asked.a_minute:
            limit(configs, asked.a_minute)
        with stack(Path(folder), Path(short), configs) as made:
            made.environment["ASSETMILL_CONCURRENCY"] = str(asked.width)
            prepare(made, asked)
            print(headline())
            what = f"{asked.rows} rows x {STAGES} stages of {asked.latency_s:g} s"
            print(f"{what}, {asked.width} at once in each worker", flush=True)
            for place in told.on:
                compare(made, place, sorted(told.workers), asked)
                leave(place, made, max(told.workers))
    return 0


def limit(configs: Path, a_minute: int) -> None:
    """Tell the profile of a quota."""
    quota = f'\n[quota.deployments]\n"{MODEL}" = {{ images = {a_minute} }}\n'
    profiles = configs / "profiles"
    text = (profiles / "local.toml").read_text()
    profiles.unlink()  # a link to the real ones
    profiles.mkdir()
    (profiles / "local.toml").write_text(text + quota)


def compare(made: Stack, place: str, counts: list[int], asked: Asked) -> None:
    """Print what the batch takes with so many workers, one number after the other."""
    first_s = 0.0
    for count in counts:
        found = measure(made, place, count, asked)
        first_s = first_s or found.took_s
        fast = f"{place}, {count} workers: {found.took_s:6.1f} s, {first_s / found.took_s:.2f} times as fast"
        print(f"{fast}; {found.costs}; load {os.getloadavg()[1]:.1f}", flush=True)
        if asked.a_minute:
            most, part = most_in_a_minute(found.stages), used_part(found.stages, asked.a_minute)
            told = f"{part:.1%} of the quota used, at most {most} of {asked.a_minute} in a minute"
            print(f"           {told}, {found.refused} posts refused, {found.unpaid} begun again", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
