"""What waits for reviewers: runs and batches whose pictures are to be looked at, and a page of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from assetmill.batches.ledger import BatchLedger
from assetmill.gallery.links import LinkScope
from assetmill.records import RunManifest
from assetmill.store.backend import Backend
from assetmill.store.ledger import Ledger


@dataclass(frozen=True)
class Waiting:
    """A run or a batch of which pictures wait. `what` names its wall."""

    what: str
    pipeline: str
    pictures: int
    said: str
    since: float


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
            found.append(Waiting(batch.batch_id, pipeline, rows, first.reason or "", since))
    return tuple(sorted(found, key=lambda one: -one.since))


def _of_run(run: RunManifest) -> Waiting | None:
    entries = [entry for entry in run.stages if entry.status == "waiting" and entry.record]
    if not entries:
        return None
    return Waiting(run.run_id, run.pipeline, len(entries), entries[0].error or "", run.finished_at)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What waits for {{ reviewer }}</title></head><body><main>
<h1>What waits for {{ reviewer }}</h1>
<p>This link may {{ scope }}.</p>
{% if found %}<ul>{% for one in found %}
<li><a href="/on/{{ one.what }}/">{{ one.pipeline }}</a>: {{ one.pictures }} to look at, since {{ one.day }}.
{{ one.said }} <a href="/again/{{ one.what }}">What is drawn next</a>
</li>{% endfor %}</ul>{% else %}<p>Nothing.</p>{% endif %}
</main></body></html>
"""


@cache
def _template() -> Any:
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(_PAGE)


def waiting_page(reviewer: str, scope: LinkScope, found: Sequence[Waiting]) -> str:
    """Return the page that lists what waits for somebody; what names say is text."""
    told = [{**vars(one), "day": _day(one.since)} for one in found]
    return str(_template().render(reviewer=reviewer, scope=scope, found=told))


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
