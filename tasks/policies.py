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
