"""The beginning and the end of a run, and what Prefect shows of it: a progress bar and one report."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import time
from collections.abc import Sequence
from typing import NamedTuple
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
from assetmill.stage.services import Services
from tasks import policies
from tasks.connections import services_for
from tasks.flow_runs import current_flow_run

PROGRESS_INTERVAL_S = 2.0
"""An update costs Prefect up to 160 ms; people do not read faster."""


MOST_THUMBNAILS, MOST_THUMBNAIL_BYTES = 8, 96 * 1024
"""A report is a row of Prefect's database, and lists read all of it."""
_WEBP = "data:image/webp;base64,"
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&*+,;=%\[\]-]+")


class SmallPicture(NamedTuple):
    """A small picture as WebP, and the name of what it shows."""

    name: str
    data: bytes


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


async def publish_report(manifest: RunManifest, services: Services) -> None:
    """Attach the report to the flow run: words, numbers and small pictures, never signed URLs."""
    pictures = await asyncio.to_thread(thumbnails, manifest, services)
    text = report(manifest, pictures, services.settings.review.url)
    await acreate_markdown_artifact(text, key="run-report", description=manifest.run_id)


def thumbnails(manifest: RunManifest, services: Services) -> Sequence[SmallPicture]:
    """Return the first pictures of a run as small ones; one whose bytes are lost is left out."""
    from assetmill.gallery.thumbnails import ThumbnailStore  # at the end of a run alone

    small = ThumbnailStore(services.settings.home, services.blobs)
    found: list[SmallPicture] = []
    room = MOST_THUMBNAIL_BYTES
    made = (asset for asset in manifest.assets() if asset.role == "output" and asset.kind == "picture")
    for asset in itertools.islice(made, MOST_THUMBNAILS):
        data = small.read(asset.blob, is_small=True)
        if data is not None and len(data) <= room:
            room -= len(data)
            found.append(SmallPicture(asset.name, data))
    return found


def report(manifest: RunManifest, pictures: Sequence[SmallPicture] = (), review_url: str = "") -> str:
    """Return the report of a run as Markdown; `review_url` is where a team looks at its pictures."""
    spent = "unknown" if manifest.spent_usd is None else f"${manifest.spent_usd:.4f}"
    seconds = manifest.finished_at - manifest.started_at
    head = (
        f"# {cell(manifest.pipeline)}: {manifest.status}\n\n"
        f"Run `{manifest.run_id}`, {seconds:.1f} s, spent {spent}, profile {code(manifest.profile)}.\n"
        f"Files: `assetmill export {manifest.run_id} DIR`\n\n"
        "| Stage | State | Seconds | Spent | Made |\n|---|---|---:|---:|---|\n"
    )
    rows = "\n".join(_row(entry) for entry in manifest.stages)
    return f"{head}{rows}\n{_shown(pictures)}{_link(review_url)}"


def _shown(pictures: Sequence[SmallPicture]) -> str:
    """Return small pictures over their names; no name gets into the picture's own markup."""
    if not pictures:
        return ""
    names = " | ".join(code(one.name) for one in pictures)
    images = " | ".join(f"![]({_WEBP}{base64.b64encode(one.data).decode()})" for one in pictures)
    return f"\n| {names} |\n|{'---|' * len(pictures)}\n| {images} |\n"


def _link(review_url: str) -> str:
    """Return a link to the review page; what is no plain address of a page is no link."""
    return f"\n[Look at them on the review page]({review_url})\n" if _ADDRESS.fullmatch(review_url) else ""


def _row(entry: StageEntry) -> str:
    label = entry.label
    seconds = "" if entry.seconds is None else f"{entry.seconds:.1f}"
    spent = "?" if entry.spent_usd is None else f"${entry.spent_usd:.4f}"
    names = [asset.name for asset in entry.record.outputs if asset.role == "output"] if entry.record else []
    made = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    cells = (cell(label), entry.status, seconds, spent, cell(entry.error or made))
    return "| " + " | ".join(cells) + " |"
