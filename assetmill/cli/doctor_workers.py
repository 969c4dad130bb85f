"""`assetmill doctor --workers`: have the workers of a pool what this machine has?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assetmill.agents.gateway import Finding
from assetmill.batches.installed import Facts, differences, facts_of
from assetmill.errors import InvalidSettings
from assetmill.settings import load_settings

if TYPE_CHECKING:
    # It imports Prefect, which most commands have no use for.
    from tasks.asking import WorkerAnswers

ASKED_S = 90.0
"""A worker asks every 15 s whether there is anything, starts a process, and keeps the place for a while."""

_SHOWN = 6


def workers_findings(profile: str | None, pool: str) -> Iterator[Finding]:
    """Ask the workers of a pool, and yield what they said; where no Prefect answers, that."""
    import httpx

    from tasks.asking import ask_workers

    try:
        ours = facts_of(load_settings(profile))
        answers = asyncio.run(ask_workers(pool, ASKED_S))
    except InvalidSettings as error:
        yield Finding("workers", "problem", str(error), "see deployments/README.md")
        return
    except httpx.TransportError as error:
        yield Finding("workers", "problem", f"Prefect does not answer: {error}", "set PREFECT_API_URL")
        return
    yield from compare(pool, ours, answers)


def compare(pool: str, ours: Facts, answers: WorkerAnswers) -> Iterator[Finding]:
    """Yield a finding for each worker: the same as here, something else, or no answer."""
    if not (answers.facts or answers.faults or answers.silent):
        yield Finding("workers", "problem", f"{pool!r} has none", f"`prefect worker start --pool {pool}`")
    for worker, theirs in sorted(answers.facts.items()):
        if found := differences(ours, theirs):
            more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            message = f"{worker!r} differs from here: {'; '.join(found[:_SHOWN])}{more}"
            advice = (
                "install the same there and start it again: batches that it would make otherwise it refuses"
            )
            yield Finding("workers", "problem", message, advice)
        else:
            yield Finding("workers", "ok", f"{worker!r} has what is here: assetmill {theirs['assetmill']}")
    for worker, fault in sorted(answers.faults.items()):
        advice = "another version of assetmill, or none: its log says why"
        yield Finding("workers", "problem", f"{worker!r} could not answer: {fault}", advice)
    for worker in sorted(answers.silent):
        message = f"{worker!r} has not answered within {ASKED_S:.0f} s"
        yield Finding("workers", "warning", message, "it is busy, or has gone: ask again when it is idle")
