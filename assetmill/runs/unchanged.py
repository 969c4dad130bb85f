"""A run of which everything is there: recorded like any other, without Prefect.

Starting Prefect takes several times as long as all else of it. The home keeps which runs, and which runs of
batches, Prefect has not heard of: docs/decisions/0020-unchanged-runs.md.
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
    note_untold(services.settings, run.run_id)
    with traced_run(run.plan.name, run.run_id) as tell:
        for label in run.stages:
            run.begin(label)
        manifest = run.seal()
        tell(manifest.status)
    return manifest


def note_untold(settings: Settings, run_id: RunId, told: bytes = b"") -> None:
    """Keep that Prefect has not heard of a run; `told` is what is to be said where no manifest says it."""
    write_private(make_folder(_folder(settings)) / run_id, told)
    forget(settings, untold_runs(settings)[:-_MOST])


def untold_runs(settings: Settings) -> tuple[RunId, ...]:
    """Return the runs of which Prefect has not heard, the oldest first."""
    folder = _folder(settings)
    return tuple(RunId(path.name) for path in sorted(folder.glob("run_*"))) if folder.is_dir() else ()


def read_untold(settings: Settings, run_id: RunId) -> bytes | None:
    """Return what was kept to be said of a run; None where another command has dropped it."""
    path = _folder(settings) / run_id
    return path.read_bytes() if path.is_file() else None


def forget(settings: Settings, run_ids: Iterable[RunId]) -> None:
    """Drop the notes of runs; those that somebody else dropped are dropped."""
    for run_id in run_ids:
        (_folder(settings) / run_id).unlink(missing_ok=True)


def _folder(settings: Settings) -> Path:
    return settings.home / "prefect" / "untold"
