"""The beginning and the end of a run, and what Prefect shows of it: a progress bar and one report."""

from __future__ import annotations

import time
from uuid import UUID

from prefect import task
from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    aupdate_progress_artifact,
)
from prefect.utilities.annotations import quote

from assetmill.markdown import cell, code
from assetmill.records import RunManifest, StageEntry
from assetmill.runs import run as runs
from assetmill.runs.run import Run
from tasks import policies
from tasks.connections import services_for
from tasks.flow_runs import current_flow_run

PROGRESS_INTERVAL_S = 2.0
"""An update costs Prefect up to 160 ms; people do not read faster."""


def begin_run(
    pipeline: str,
    parameters: dict[str, object],
    profile: str | None,
    budget_usd: float | None = None,
    *,
    pay_again: bool = False,
    by: float | None = None,
) -> Run:
    """Plan a run under the ID of the current flow run and store that it began."""
    flow_run_id, attempt = current_flow_run()
    return runs.begin_run(
        pipeline,
        parameters,
        services_for(profile),
        flow_run_id,
        attempt,
        budget_usd=budget_usd,
        pay_again=pay_again,
        by=by,
    )


@task(name="seal-run", **policies.SEAL)
def seal_run(run: Run) -> RunManifest:
    """Write the manifest and make the run its pipeline's newest."""
    return run.seal()


def seal(run: Run) -> RunManifest:
    """Seal a run, as a task of its flow."""
    return seal_run(quote(run))  # pyright: ignore[reportArgumentType,reportReturnType]


class ProgressBar:
    """The run's progress artifact, updated no more often than it is looked at."""

    def __init__(self, run: Run) -> None:
        self._run, self._artifact_id, self._last = run, None, 0.0

    async def show(self) -> None:
        """Create or update the artifact, unless that was done a moment ago and the run goes on."""
        settled, total = len(self._run.entries), len(self._run.stages)
        if settled < total and time.monotonic() - self._last < PROGRESS_INTERVAL_S:
            return
        percent, text = 100.0 * settled / total, f"{settled} of {total} stages"
        if self._artifact_id is None:
            created = await acreate_progress_artifact(progress=percent, key="stages", description=text)
            self._artifact_id = UUID(str(created))
        else:
            await aupdate_progress_artifact(self._artifact_id, progress=percent, description=text)
        self._last = time.monotonic()


async def publish_report(manifest: RunManifest) -> None:
    """Attach the report to the flow run: words and numbers, never bytes or signed URLs."""
    await acreate_markdown_artifact(report(manifest), key="run-report", description=manifest.run_id)


def report(manifest: RunManifest) -> str:
    """Return the report of a run as Markdown."""
    spent = "unknown" if manifest.spent_usd is None else f"${manifest.spent_usd:.4f}"
    seconds = manifest.finished_at - manifest.started_at
    head = (
        f"# {cell(manifest.pipeline)}: {manifest.status}\n\n"
        f"Run `{manifest.run_id}`, {seconds:.1f} s, spent {spent}, profile {code(manifest.profile)}.\n"
        f"Files: `assetmill export {manifest.run_id} DIR`\n\n"
        "| Stage | State | Seconds | Spent | Made |\n|---|---|---:|---:|---|\n"
    )
    return head + "\n".join(_row(entry) for entry in manifest.stages) + "\n"


def _row(entry: StageEntry) -> str:
    label = entry.label
    seconds = "" if entry.seconds is None else f"{entry.seconds:.1f}"
    spent = "?" if entry.spent_usd is None else f"${entry.spent_usd:.4f}"
    names = [asset.name for asset in entry.record.outputs if asset.role == "output"] if entry.record else []
    made = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    cells = (cell(label), entry.status, seconds, spent, cell(entry.error or made))
    return "| " + " | ".join(cells) + " |"
