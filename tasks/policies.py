"""Retries and deadlines of tasks, each with its reason; a task names its policy in one word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from prefect import Task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from assetmill.batches.leases import BEATLESS_S


class Policy(TypedDict, total=False):
    """The arguments of Prefect's `task` that say how a task is tried, and what Prefect keeps of it."""

    retries: int
    retry_delay_seconds: list[float] | Callable[[int], list[float]]
    retry_jitter_factor: float
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], bool]
    cache_policy: CachePolicy
    persist_result: bool


def only_before_the_spend(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Retry what is marked as retryable: it happened before anything was spent."""
    return bool(getattr(state.data, "retryable", False))


ONCE: Policy = {"cache_policy": NO_CACHE, "persist_result": False}
"""The ledger remembers what was made; a cache or a stored result beside it would be a second truth."""

_RETRIED: Policy = {
    **ONCE,
    # Workers that lost the same service must not come back in the same second.
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": only_before_the_spend,
}

SPEND_PAUSES_S = (2.0, 4.0)
"""Longer outages are for the next run, which goes on where this one ended."""

SPEND: Policy = {
    **_RETRIED,
    "retries": len(SPEND_PAUSES_S),
    "retry_delay_seconds": list(SPEND_PAUSES_S),
}
"""For a service that cannot be reached at all: the engine waits for quotas and leases by itself."""

SEAL: Policy = {**_RETRIED, "retries": 3, "retry_delay_seconds": exponential_backoff(backoff_factor=1)}
"""Without a manifest the next run reads its stages one by one, which is no reason to try for ever."""

MAX_STAGE_THREADS = 256
"""Stages that were handed out: at work, up to the profile's `concurrency`, or waiting for a quota."""

SHARD_POLL_S = 2.0
"""How often the dispatcher looks at the store and at Prefect: two listings, whatever the number of rows."""

PIECE_POLL_S = 2.0
"""How often a worker that has nothing to begin looks whether another one has died or has been drained."""

SHARD_SILENCE_S = 2400.0
"""A group of rows is noted when its last stage ends, which may take a stage's whole deadline, and more."""

SHARD_BEAT_S = 10.0
"""How often a shard says that it is alive: two small requests, whatever the number of its rows."""

BATCH_BEAT_S = 2.0
"""How often a batch says how far it is, while that changes: what came after is not told once it is killed."""

SHARD_BEATLESS_S = BEATLESS_S
"""A shard that has said so and does not any more is dead; a store that is slow is not."""

REFUSAL_HELD_S = 30.0
"""So long a machine that has refused a shard keeps the place: idle, it would be given the same one again."""

REFUSAL_KEPT_S = 60.0
"""After so long a worker that has refused may be another one under the same name, brought up to date."""

HANDS_AWAITED_S = 300.0
"""A worker that is being replaced in the middle of a batch is there again by then, with its new image."""

QUESTION_HELD_S = 15.0
"""So long a worker keeps the place that was asked what it has: the next question is for another one."""

SHARD_PENDING_S = 1200.0
"""A machine that must be started, and fetch its image, takes minutes; one that died meanwhile, for ever."""

SHARD_ENDS_S = 20.0
"""A shard that was called off ends its waits at once; a request under way is let come to its end."""

SHARD_UNTAKEN_S = 60.0
"""A worker that has room asks every 5 to 15 s; a person should be told of a batch for which there is none."""

CLOCKS_DIFFER_S = 1800.0
"""So much two machines of one batch may differ: a store refuses who is a quarter of an hour out."""

SHARD_LOSSES = 3
"""A shard that loses so many flow runs has something wrong with it that no further one will mend."""

SHARD_REFUSALS = 1
"""So often another worker may try what one has refused: a second refusal means that the batch is at fault."""

SERVER_AWAY_S = 600.0
"""A Prefect server that is being updated or moved is back by then."""
