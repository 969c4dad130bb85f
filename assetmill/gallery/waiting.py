"""What waits for reviewers: runs and batches whose pictures are to be looked at, and a page of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from assetmill.batches.ledger import BatchLedger
from assetmill.gallery.links import LinkScope
from assetmill.gallery.site import page_file
from assetmill.gallery.tiles import Tile, of_entry, of_row
from assetmill.records import BlobRef, RunManifest
from assetmill.store.backend import Backend
from assetmill.store.ledger import Ledger

_SHOWN = 5


@dataclass(frozen=True)
class Waiting:
    """A run or a batch of which pictures wait. `what` names its wall."""

    what: str
    pipeline: str
    pictures: int
    said: str
    since: float
    shows: tuple[BlobRef, ...] = ()
    """Some of the pictures."""


def what_waits(backend: Backend, pipelines: Iterable[str]) -> tuple[Waiting, ...]:
    """Return what waits in a store, by each pipeline's newest run and newest batch, the newest first.

    Four requests for each pipeline, however many runs there were.
    """
    ledger, batches, found = Ledger(backend), BatchLedger(backend), list[Waiting]()
    for pipeline in pipelines:
        if (run := ledger.latest_manifest(pipeline)) and (one := _of_run(run)):
            found.append(one)
        if (batch := batches.newest_of(pipeline)) and (rows := batch.count("waiting")):
            first = next(row for row in batch.rows if row.state == "waiting")
            since = batch.finished_at
            waiting = (row for row in batch.rows if row.state == "waiting")
            tiles = (tile for row in islice(waiting, _SHOWN) for tile in of_row(row))
            said = _for_people(first.reason or "")
            found.append(Waiting(batch.batch_id, pipeline, rows, said, since, _shown(tiles)))
    return tuple(sorted(found, key=lambda one: -one.since))


def _of_run(run: RunManifest) -> Waiting | None:
    entries = [entry for entry in run.stages if entry.status == "waiting" and entry.record]
    if not entries:
        return None
    shown = _shown(tile for entry in entries for tile in of_entry(entry))
    said = _for_people(entries[0].error or "")
    return Waiting(run.run_id, run.pipeline, len(entries), said, run.finished_at, shown)


def _shown(tiles: Iterable[Tile]) -> tuple[BlobRef, ...]:
    pictures = (tile.blob for tile in tiles if tile.blob and tile.is_picture and tile.state == "output")
    return tuple(islice(pictures, _SHOWN))


def _for_people(said: str) -> str:
    """Return a reason as a sentence."""
    return f"{said[:1].upper()}{said[1:]}"


_MAY = {
    "look": "Your link shows the pictures.",
    "decide": "Look, approve, reject or comment: ? on a wall lists the keys.",
    "spend": "Look, decide, change pictures, and confirm what is drawn at its price.",
}


@cache
def _template() -> Any:
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(page_file("waiting.html").decode())


def waiting_page(reviewer: str, scope: LinkScope, found: Sequence[Waiting]) -> str:
    """Return the page that lists what waits for somebody; what names say is text."""
    told = [{**vars(one), "day": _day(one.since)} for one in found]
    return str(_template().render(reviewer=reviewer, told=_MAY[scope], found=told))


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
