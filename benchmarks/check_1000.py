"""`assetmill check` on a tree of 1,000 files: 500 pictures and 500 pictures made from them.

Nothing is drawn: the files are random bytes of a usual size, and the lock is written from made-up records.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from assetmill.fingerprint import Fingerprint, digest
from assetmill.locking.lockfile import NAME, write_lock
from assetmill.locking.making import lock_plan
from assetmill.locking.models import Lock, PlanRef
from assetmill.plan.binder import ProfileDefaults
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Plan, make_plan
from assetmill.records import AssetRecord, BlobRef, RunId, StageRecord, make_asset_id
from assetmill.settings import Settings, load_settings
from assetmill.spec.loading import load_pipeline
from benchmarks.bench import ASSETMILL, CONFIGS, headline

PAGES = 500
FILE_BYTES = 150_000
ROUNDS = 7
FOLDER = "assets/cards"

PIPELINE = """
name: cards
axes:
  page: {{rows: pages.csv}}
stages:
  - name: motif
    prompt: Draw {{{{ page.motif }}}}, flat style, calm lower third.
    tools: [{{type: image_generation, size: 1536x1024, quality: low}}]
    outputs: [{{name: "{{{{ page.slug }}}}-motif.png"}}]
  - name: card
    prompt: Crop {{{{ inputs[0] }}}} to 1200x630 and write {{{{ page.title | tojson }}}} over it.
    tools: [code_interpreter]
    for_each: page
    inputs: [{{from: motif}}]
    outputs: [{{name: "{{{{ page.slug }}}}.png", size: 1200x630}}]
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="assetmill-bench-") as folder:
        root = Path(folder)
        _grow(root)
        bare = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
        environ = bare | {"ASSETMILL_CONFIGS": str(CONFIGS)}
        start = _best([sys.executable, "-c", "import pydantic, yaml"], root, environ, 0)
        clean = _best([ASSETMILL, "check"], root, environ, 0)
        lean = _best([ASSETMILL, "check", "--no-files"], root, environ, 0)
        text = (root / "cards.yaml").read_text(encoding="utf-8")
        (root / "cards.yaml").write_text(text.replace("flat style", "oil on canvas"), encoding="utf-8")
        stale = _best([ASSETMILL, "check"], root, environ, 1)
    print(f"check of {2 * PAGES} files of {FILE_BYTES // 1000} KB, best of {ROUNDS}")
    print(f"  {'':<34} {'wall':>8} {'more':>8} {'times':>6} {'CPU':>8}")
    rows = {"python -c 'import pydantic, yaml'": start, "all as locked": clean, "--no-files": lean}
    for name, taken in {**rows, "all stale": stale}.items():
        more, times = taken.wall_s - start.wall_s, taken.wall_s / start.wall_s
        print(f"  {name:<34} {taken.wall_s:6.2f} s {more:6.2f} s {times:6.1f} {taken.cpu_s:6.2f} s")
    print("  target: all as locked under 1 s more")


def _grow(root: Path) -> None:
    rows = [f"page-{n},Page number {n},a teal mug number {n} on a table" for n in range(PAGES)]
    (root / "pages.csv").write_text("\n".join(["slug,title,motif", *rows]), encoding="utf-8")
    (root / "cards.yaml").write_text(PIPELINE.format(), encoding="utf-8")
    settings = load_settings("local", {"ASSETMILL_CONFIGS": str(CONFIGS)})
    made: dict[Fingerprint, StageRecord] = {}
    files: dict[str, bytes] = {}
    path = str(root / "cards.yaml")
    # The second stage is known when the first one is made.
    for _ in range(2):
        plan = _plan(path, settings, made)
        for call in (stage.call for stage in plan.stages if stage.call and not stage.record):
            made[call.fingerprint] = _record(call, files)
    plan = _plan(path, settings, made)
    lock = lock_plan(Lock(), FOLDER, plan, PlanRef(pipeline="cards.yaml", profile="local", parameters={}))
    write_lock(root / NAME, lock)
    (root / FOLDER).mkdir(parents=True)
    for locked, asset in lock.asset.items():
        (root / locked).write_bytes(files[asset.sha256])


def _plan(path: str, settings: Settings, made: Mapping[Fingerprint, StageRecord]) -> Plan:
    defaults = ProfileDefaults.of(settings)
    pipeline = load_pipeline(path, settings.configs)
    return make_plan(pipeline, {}, defaults=defaults, lookup=lambda _, fp: made.get(fp))


def _record(call: StageCall, files: dict[str, bytes]) -> StageRecord:
    data = os.urandom(FILE_BYTES)
    name = digest(data)
    files[name.removeprefix("sha256:")] = data
    asset = AssetRecord(
        asset_id=make_asset_id(call.pipeline, call.fingerprint, 0),
        name=call.outputs[0].name,
        kind="picture",
        blob=BlobRef(digest=name, size_bytes=len(data), media_type="image/png"),
        stage=call.stage,
        variant=call.variant,
        width=call.outputs[0].width,
        height=call.outputs[0].height,
        created_at=0.0,
    )
    return StageRecord(
        pipeline=call.pipeline,
        stage=call.stage,
        variant=call.variant,
        fingerprint=call.fingerprint,
        deciding=call.deciding(),
        attempt=1,
        run_id=RunId("run_bench"),
        made_by=(),
        outputs=(asset,),
        cost_usd=0.01,
        started_at=0.0,
        finished_at=0.0,
    )


class Taken(NamedTuple):
    """Seconds of one program, each the best of all rounds: CPU hardly depends on what else runs."""

    wall_s: float
    cpu_s: float


def _best(command: list[str], root: Path, environ: Mapping[str, str], code: int) -> Taken:
    walls: list[float] = []
    cpus: list[float] = []
    for _ in range(ROUNDS):
        started, before = time.perf_counter(), os.times()
        done = subprocess.run(command, cwd=root, env=environ, capture_output=True, check=False)
        after = os.times()
        walls.append(time.perf_counter() - started)
        user, system = (
            after.children_user - before.children_user,
            after.children_system - before.children_system,
        )
        cpus.append(user + system)
        assert done.returncode == code, done.stdout.decode()[-400:] + done.stderr.decode()[-400:]
    return Taken(min(walls), min(cpus))


if __name__ == "__main__":
    print(headline())
    main()
