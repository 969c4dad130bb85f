"""A batch of local stages: five sizes of every row's picture, beside a plain Pillow loop, and again."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageOps

from assetmill.batches.opening import Batch, BatchOrder, prepare
from assetmill.batches.sealing import seal
from assetmill.batches.work import GROUP_ROWS, RowWorker
from assetmill.settings import load_settings
from assetmill.stage.services import open_services
from assetmill.store.run_ids import make_run_id
from benchmarks.batch import Memory
from benchmarks.bench import fresh_home, headline
from benchmarks.local_stages import PICTURE, SIZES, photo

ROWS = int(os.environ.get("BENCH_ROWS", "10000"))
AGAIN_ROWS = int(os.environ.get("BENCH_AGAIN_ROWS", "10000"))
ORIGINALS, LOOP_ROWS, GROUPS = 16, 64, 4
CUT = (1400, 960)
"""Every row cuts its original at another place: no two rows make the same bytes."""

SIZED = """
name: bench-sized
parameters:
  photo: {title: Photo}
  left: {title: Left}
  top: {title: Top}
stages:
  - name: sizes
    inputs: [{file: "{{ photo }}", name: photo}]
    make:
      - {from: photo, crop: "{{ left }} {{ top }} 1400 960", name: cut}
"""

HERO = """
name: bench-again
parameters:
  photo: {title: Photo}
  mark: {title: Mark}
stages:
  - name: hero
    inputs: [{file: "{{ photo }}", name: photo}]
    make:
      - {from: photo, save: "{{ mark }}.jpg"}
"""

CUTS = """  - name: sizes
    make:
      - {from: hero, name: cut}
"""


def sizes_of(*, share: float = 1.0) -> str:
    """Return the entries that make the sizes, at a share of them."""
    return "".join(
        f"      - {{from: cut, resize: {round(width * share)}x{round(height * share)}, "
        f"save: {width}.jpg, quality: 75}}\n"
        for width, height in SIZES
    )


def run(batch: Batch) -> tuple[int, int]:
    """Carry out a batch without Prefect, some groups of rows at once; return rows done and found again."""
    flow_run_id = str(uuid.uuid4())
    run_id = make_run_id(flow_run_id, began := time.time())
    work = RowWorker(batch, run_id, flow_run_id, run_id)
    rows = [plan.row for plan in batch.to_do]
    groups = [rows[start : start + GROUP_ROWS] for start in range(0, len(rows), GROUP_ROWS)]
    try:
        with ThreadPoolExecutor(GROUPS) as pool:
            for _ in pool.map(work.carry_out, groups):
                pass  # what was told of rows is in the worker; a list of it would be held twice
    finally:
        work.close()
    manifest = seal(
        batch, work.results, work.traces, run_id=run_id, flow_run_id=flow_run_id, started_at=began
    )
    assert manifest.status == "completed", manifest.reason
    return manifest.count("done"), manifest.count("reused")


def timed(pipeline_path: Path, rows: Path) -> tuple[float, float, tuple[int, int]]:
    """Plan and run a batch; return wall seconds, CPU seconds, and rows done and found again."""
    began, cpu = time.perf_counter(), time.process_time()
    with open_services(load_settings("local")) as services:
        counts = run(prepare(BatchOrder(str(pipeline_path), str(rows)), services))
    return time.perf_counter() - began, time.process_time() - cpu, counts


def corner(number: int) -> tuple[int, int]:
    """Return where a row cuts its original: rows that share an original cut it at places of their own."""
    place = number // ORIGINALS
    return place % (PICTURE[0] - CUT[0]), place // (PICTURE[0] - CUT[0]) % (PICTURE[1] - CUT[1])


def loop_rate(originals: Sequence[Path], folder: Path) -> tuple[float, float]:
    """Return rows a second, and a CPU second, of what somebody would write by hand, on all cores."""

    def by_hand(number: int) -> None:
        for width, height in SIZES:
            with Image.open(originals[number % len(originals)]) as picture:
                left, top = corner(number)
                cut = picture.convert("RGB").crop((left, top, left + CUT[0], top + CUT[1]))
            made = ImageOps.fit(cut, (width, height), Image.Resampling.LANCZOS)
            made.save(folder / f"{number}-{width}.jpg")

    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(by_hand, range(LOOP_ROWS)))
    return LOOP_ROWS / (time.perf_counter() - began), LOOP_ROWS / (time.process_time() - cpu)


def sized() -> None:
    """Make all sizes of large originals, and tell it beside the loop."""
    with fresh_home() as home:
        originals = [home / f"original-{number}.png" for number in range(ORIGINALS)]
        for number, path in enumerate(originals):
            path.write_bytes(photo(PICTURE, number, "PNG"))
        lines = [
            f"{originals[number % ORIGINALS]},{','.join(map(str, corner(number)))}" for number in range(ROWS)
        ]
        rows, made = home / "rows.csv", home / "bench-sized.yaml"
        rows.write_text("\n".join(("photo,left,top", *lines)) + "\n")
        made.write_text(SIZED + sizes_of())
        loop = home / "loop"
        loop.mkdir()
        by_hand, by_hand_cpu = loop_rate(originals, loop)
        with Memory() as memory:
            wall_s, cpu_s, counts = timed(made, rows)
        assert counts == (ROWS, 0), counts
    print(f"{ROWS} rows x {len(SIZES)} sizes of {PICTURE[0]}x{PICTURE[1]} PNG originals, as JPEG")
    for name, wall, cpu, in_all in (
        (f"plain Pillow loop, {LOOP_ROWS} rows", by_hand, by_hand_cpu, ""),
        ("assetmill", ROWS / wall_s, ROWS / cpu_s, f"; {wall_s:.0f} s in all"),
    ):
        print(f"  {name:<26} {wall:6.2f} rows a second, {cpu:6.2f} a CPU second{in_all}")
    print(f"  cores at work       {cpu_s / wall_s:7.2f} of {os.cpu_count()}")
    print("  memory, by quarters " + ", ".join(f"{memory.quarter(n):.0f}" for n in range(4)) + " MB")


def again() -> None:
    """Run rows again of which nothing changed, with sizes and without: what pictures hold does not matter."""
    with fresh_home() as home:
        small = home / "small.png"
        small.write_bytes(photo((160, 120), 1, "PNG"))
        rows, plain, cuts = home / "rows.csv", home / "plain.yaml", home / "cuts.yaml"
        lines = [f"{small},m{number}" for number in range(AGAIN_ROWS)]
        rows.write_text("\n".join(("photo,mark", *lines)) + "\n")
        plain.write_text(HERO.replace("bench-again", "bench-plain"))
        cuts.write_text(HERO + CUTS + sizes_of(share=0.1))
        walls: list[float] = []
        cpus: list[float] = []
        for path in (plain, cuts):
            timed(path, rows)
            wall_s, cpu_s, counts = timed(path, rows)
            assert counts == (0, AGAIN_ROWS), counts
            walls.append(wall_s)
            cpus.append(cpu_s)
    print(f"{AGAIN_ROWS} rows again, nothing changed")
    print(f"  without sizes       {walls[0]:7.2f} s, {cpus[0]:.2f} s of CPU")
    print(f"  with {len(SIZES)} sizes each  {walls[1]:7.2f} s, {cpus[1]:.2f} s of CPU")
    wall, cpu = walls[1] / walls[0], cpus[1] / cpus[0]
    print(f"  times               {wall:7.2f}, {cpu:.2f} of CPU   target: at most 3")


def main() -> None:
    sized()
    again()


if __name__ == "__main__":
    print(headline())
    main()
