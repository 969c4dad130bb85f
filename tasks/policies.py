"""Retries and deadlines of tasks, each with its reason."""

from __future__ import annotations

from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

STAGE_RETRIES = 2
"""The engine waits for quotas and leases by itself; this is for a service that cannot be reached at all."""

STAGE_RETRY_DELAYS = exponential_backoff(backoff_factor=2)
"""Two, then four seconds: longer outages are for the next run, which goes on where this one ended."""

SEAL_RETRIES = 3
"""Without a manifest the next run reads its stages one by one, which is no reason to try for ever."""

SEAL_RETRY_DELAYS = exponential_backoff(backoff_factor=1)

JITTER = 0.5
"""Workers that lost the same service must not come back in the same second."""

MAX_STAGE_THREADS = 256
"""Stages that were handed out: at work, up to the profile's `concurrency`, or waiting for a quota."""


def only_before_the_spend(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Retry what is marked as retryable: it happened before anything was spent."""
    return bool(getattr(state.data, "retryable", False))


SHARD_POLL_S = 2.0
"""How often the dispatcher looks at the store and at Prefect: two listings, whatever the number of rows."""

SHARD_SILENCE_S = 2400.0
"""A group of rows is noted when its last stage ends, which may take a stage's whole deadline, and more."""

SHARD_LOSSES = 3
"""A shard that loses so many flow runs has something wrong with it that no further one will mend."""

SERVER_AWAY_S = 600.0
"""A Prefect server that is being updated or moved is back by then."""
