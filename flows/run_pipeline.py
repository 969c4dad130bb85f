"""The order of a run: a stage starts as soon as the stages it follows are done."""

from __future__ import annotations

import asyncio
from collections import deque
from graphlib import TopologicalSorter
from typing import Any, cast

from prefect import State, flow
from prefect.task_runners import ThreadPoolTaskRunner

from assetmill.batches.hour import parse_by
from assetmill.runs.run import Run, check_outcome, waits_for
from assetmill.traces.runs import traced_run
from tasks.assets import tell_prefect
from tasks.cancelling import checked, run_watched
from tasks.events import tell_run
from tasks.flow_runs import run_name, traceparent, waiting
from tasks.manifests import ProgressBar, begin_run, publish_report, seal
from tasks.policies import MAX_STAGE_THREADS
from tasks.stage_groups import starter


@flow(
    name="run-pipeline",
    flow_run_name=run_name,
    task_runner=cast(Any, ThreadPoolTaskRunner(max_workers=MAX_STAGE_THREADS)),
    persist_result=False,
)
async def run_pipeline(
    pipeline: str,
    parameters: dict[str, Any] | None = None,
    profile: str | None = None,
    budget_usd: float | None = None,
    pay_again: bool = False,
    *,
    by: str = "",
) -> dict[str, Any] | State[Any]:
    """Run a pipeline and return its manifest's main facts.

    A run of which all that is left waits for people ends as `Waiting`, and holds nothing.

    Args:
        pipeline: A name under `configs/pipelines/`, or a path.
        parameters: The pipeline's parameters by name; those left out take their defaults.
        profile: The settings to use; without one `ASSETMILL_PROFILE` decides, else `local`.
        budget_usd: No stage is begun that might take the run above it.
        pay_again: Also pay for a stage that failed the same way twice; a schedule leaves it for a person.
        by: The hour by which it must be done, as 06:00; cheaper lanes are used until then where models have
            them, and nothing is begun after it.

    Raises:
        InvalidInput: something asked for is not valid; nothing was spent.
        RunFailed: a stage failed; every finished stage is stored and the next run goes on from there.
        RunStopped: the run was stopped.
    """
    hour = parse_by(by) if by else None
    run = begin_run(pipeline, parameters or {}, profile, budget_usd, pay_again=pay_again, by=hour)
    with traced_run(run.plan.name, run.run_id, traceparent()) as tell:
        with run_watched(run):
            await follow(run, profile)
        manifest = seal(run)
        tell(manifest.status)
    tell_prefect(manifest)
    await publish_report(manifest, run.services)
    tell_run(run, manifest)
    facts = {
        "run_id": manifest.run_id,
        "status": manifest.status,
        "spent_usd": manifest.spent_usd,
        "assets": [asset.asset_id for asset in manifest.assets()],
    }
    if manifest.status == "waiting":
        return waiting(waits_for(manifest), facts)
    return checked(run.services, lambda: check_outcome(manifest), "run", manifest.run_id) or facts


async def follow(run: Run, profile: str | None) -> None:
    """Go through the stages in their order. The engine lets as many work at once as the profile allows."""
    order = TopologicalSorter(run.needs)
    order.prepare()
    bar = ProgressBar(run)
    ready: deque[str] = deque(order.get_ready())
    running: dict[str, asyncio.Future[Any]] = {}
    # Not `asyncio.wait`, which goes through all that run whenever one of them ends.
    ended: asyncio.Queue[str] = asyncio.Queue()

    def settle(label: str) -> None:
        stages.settle(label)
        order.done(label)
        ready.extend(order.get_ready())

    with starter(run, profile) as stages:
        while ready or running:
            while ready and len(running) < MAX_STAGE_THREADS:
                label = ready.popleft()
                if call := run.begin(label):
                    running[label] = future = asyncio.ensure_future(stages.start(call))
                    future.add_done_callback(lambda _, label=label: ended.put_nowait(label))
                else:
                    settle(label)
            await bar.show()
            if running:
                label = await ended.get()
                run.end(label, running.pop(label).result())
                settle(label)
    await bar.show()
