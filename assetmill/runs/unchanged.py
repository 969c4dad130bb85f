"""A run of which everything is there: recorded like any other, without Prefect.

Starting Prefect takes several times as long as all else of it. The home keeps which runs Prefect has not
heard of: docs/decisions/0020-unchanged-runs.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from assetmill.private import make_folder, write_private
from assetmill.records import RunId, RunManifest
from assetmill.runs.run import begin_run
from assetmill.settings import Settings
from assetmill.stage.services import Services
from assetmill.traces.runs import traced_run

_MOST = 100
"""Of runs that nobody looked at, the newest will do: a schedule may leave one every minute."""


def run_unchanged(
    pipeline: str, parameters: Mapping[str, Any], services: Services, *, by: float | None = None
) -> RunManifest:
    """Record a run whose plan, the one that was shown last, has every stage made; return its manifest."""
    run = begin_run(pipeline, parameters, services, "", by=by)
    # First: a note of a run that has no manifest is dropped, a run without a note would never be shown.
    _note(services.settings, run.run_id)
    with traced_run(run.plan.name, run.run_id) as tell:
        for label in run.stages:
            run.begin(label)
        manifest = run.seal()
        tell(manifest.status)
    return manifest


def untold_runs(settings: Settings) -> tuple[RunId, ...]:
    """Return the runs of which Prefect has not heard, the oldest first."""
    folder = _folder(settings)
    return tuple(RunId(path.name) for path in sorted(folder.glob("run_*"))) if folder.is_dir() else ()


def forget(settings: Settings, run_ids: Iterable[RunId]) -> None:
    """Drop the notes of runs; those that somebody else dropped are dropped."""
    for run_id in run_ids:
        (_folder(settings) / run_id).unlink(missing_ok=True)


def _note(settings: Settings, run_id: RunId) -> None:
    write_private(make_folder(_folder(settings)) / run_id, b"")
    forget(settings, untold_runs(settings)[:-_MOST])


def _folder(settings: Settings) -> Path:
    return settings.home / "prefect" / "untold"
