"""How well a planned arrival is kept, and the hour of a batch whose lane lacks capacity: under a quota.

python -m benchmarks.lanes             about seven minutes
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from assetmill.api import run_with
from assetmill.records import RunManifest
from assetmill.runs.outlook import Outlook, outlook_of
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import Quota, Rate, Settings, load_settings
from assetmill.stage.services import open_services
from benchmarks.bench import Control, fresh_home, headline

A_MINUTE, WIDTH, SEEN = 60, 24, 3
STAGES = int(os.environ.get("BENCH_STAGES", "150"))
LATENCY_S, FLEX_LATENCY_S, REFUSED = 3.0, 6.0, 0.3
TARGET = 0.10

PIPELINE = """
name: {name}
stages:
  - name: tell
    for_each: {{number: [{numbers}]}}
    prompt: Tell a story of number {{{{ number }}}} in ten words for {name}.
    lane: {lane}
  - name: also
    for_each: {{other: [{others}]}}
    prompt: Tell {name} another story, of number {{{{ other }}}}.
    lane: {other}
"""


class Found(NamedTuple):
    """What was planned, and what came of it."""

    case: str
    told: Outlook
    planned_s: float
    took_s: float
    tiers: dict[str, int]
    billed_usd: float
    spent_usd: float


def settings_for() -> Settings:
    settings = load_settings("local")
    quota = Quota(deployments={settings.foundry.model: Rate(requests=A_MINUTE)})
    return settings.model_copy(update={"quota": quota})


def write(home: Path, name: str, lane: str, stages: int) -> str:
    """Write a pipeline of that many stages in a lane, and some in the other, which earlier runs have made."""
    path, other = home / f"{name}.yaml", "now" if lane == "flex" else "flex"
    numbers, others = (", ".join(map(str, range(count))) for count in (stages, SEEN))
    path.write_text(PIPELINE.format(name=name, lane=lane, numbers=numbers, others=others, other=other))
    return str(path)


def tiers_of(manifest: RunManifest) -> dict[str, int]:
    found = [entry.record.usage.service_tier or "default" for entry in manifest.stages if entry.record]
    return {tier: found.count(tier) for tier in sorted(set(found))}


def measure(
    control: Control, home: Path, name: str, lane: str, *, by_s: float, refused: float = 0.0
) -> Found:
    """Run a pipeline by an hour that many seconds away, planned by what a run of a few of its stages saw."""
    control.ask("POST", "/settings", {"flex_refusals": 0.0})
    with open_services(settings_for()) as services:
        seen = run_with(services, write(home, name, lane, SEEN), {}, say=lambda _: None)
    pipeline = write(home, name, lane, STAGES + SEEN)
    control.ask("POST", "/settings", {"flex_refusals": refused})
    control.ask("POST", "/clock", {"advance_s": 120})  # the service's minute begins anew
    charges = len(control.ask("GET", "/bill")["charges"])
    with open_services(settings_for()) as services:
        _ = services.gateway  # importing the SDKs is no part of what is measured
        plan = plan_pipeline(pipeline, {}, services.settings, services.ledger)
        started, clock = time.time(), time.perf_counter()
        told = outlook_of(plan, services.settings, started + by_s, seen, started)
        manifest = run_with(services, pipeline, {}, say=lambda _: None, by=started + by_s)
        took_s = time.perf_counter() - clock
    in_flex = any(call.lane == "flex" for stage in plan.stages if (call := stage.asked))
    at = told.flex.at if told.flex and in_flex else told.normal.at
    billed = sum(line["usd"] for line in control.ask("GET", "/bill")["charges"][charges:])
    case = f"{name}, {refused:.0%} refused"
    return Found(case, told, at - started, took_s, tiers_of(manifest), billed, manifest.spent_usd or 0.0)


def show(found: Found) -> str:
    off = found.took_s / found.planned_s - 1
    return (
        f"  {found.case:<24} planned {found.planned_s:6.1f} s, took {found.took_s:6.1f} s  {off:+6.1%}   "
        f"served {found.tiers}, billed ${found.billed_usd:.6f}, counted ${found.spent_usd:.6f}"
    )


def main() -> None:
    os.environ["ASSETMILL_CONCURRENCY"] = str(WIDTH)
    with fresh_home() as home:
        with open_services(settings_for()) as services:
            model = services.settings.foundry.model
            run_with(services, write(home, "first", "now", 1), {}, say=lambda _: None)  # starts the services
        control = Control(home)
        quota = {model: {"requests_per_minute": A_MINUTE}}
        pace = {"latency_s": LATENCY_S, "flex_latency_s": FLEX_LATENCY_S}
        control.ask("POST", "/settings", {"quota": quota, **pace})
        found = [measure(control, home, f"all-{lane}", lane, by_s=3600.0) for lane in ("now", "flex")]
        hour_s = 1.35 * found[1].planned_s
        held = measure(control, home, "by-the-hour", "flex", by_s=hour_s, refused=REFUSED)
    print(f"{STAGES} stages at {A_MINUTE} requests a minute, {WIDTH} at once; target: within {TARGET:.0%}")
    print("\n".join(map(show, found)))
    print(f"{show(held)}\n  its hour, {hour_s:.0f} s, is {'held' if held.took_s <= hour_s else 'NOT held'}")


if __name__ == "__main__":
    print(headline())
    main()
