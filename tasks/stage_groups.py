"""The stages of a run as Prefect sees them: a task for each, or for a few of them where there are many.

A task costs Prefect and its server more than all else that a run adds to a stage, and nobody reads a list of
hundreds. The task of a group shows its stages and no more: each begins and ends by itself, as the flow says.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

from prefect import State, task
from prefect.states import Completed, Failed
from prefect.utilities.annotations import quote

from assetmill.errors import AssetmillError
from assetmill.plan.calls import StageCall
from assetmill.records import StageEntry, StageRecord
from assetmill.runs.run import Run
from assetmill.stage import engine
from tasks import policies
from tasks.flow_runs import stages_name
from tasks.stages import submit_stage

SHOWN_STAGES = 32
"""Up to so many stages have a task each: a list that a person can take in."""

GROUP_STAGES = 16
"""Stages of one task where there are more."""

Outcome = StageRecord | BaseException


class StageStarter(Protocol):
    """How stages of a run are carried out. Used by the thread of its flow."""

    def start(self, call: StageCall) -> Awaitable[Outcome]:
        """Start a stage; awaiting it gives its commit, or the error it ended with."""
        ...

    def settle(self, label: str) -> None:
        """Take note that the run knows what became of a stage, whether it was started or not."""
        ...


@contextmanager
def starter(run: Run, profile: str | None) -> Generator[StageStarter]:
    """Give what carries out the stages of a run; at its end all that was started has ended."""
    to_do = [label for label, stage in run.stages.items() if stage.record is None]
    if len(to_do) <= SHOWN_STAGES:
        yield _Alone(run, profile)
        return
    with ThreadPoolExecutor(policies.MAX_STAGE_THREADS, "stage") as pool:
        groups = _Groups(run, to_do, pool)
        try:
            yield groups
        finally:
            groups.close()


class _Alone:
    """A task for each stage."""

    def __init__(self, run: Run, profile: str | None) -> None:
        self._run, self._profile = run, profile

    def start(self, call: StageCall) -> Awaitable[Outcome]:
        return submit_stage(call, self._profile, self._run.run_id)

    def settle(self, label: str) -> None:
        """Do nothing: its own task has ended."""


class _Groups:
    """A task for each few stages that follow one another in the plan, from the first that is started on."""

    def __init__(self, run: Run, labels: Sequence[str], pool: ThreadPoolExecutor) -> None:
        self._run, self._pool = run, pool
        starts = range(0, len(labels), GROUP_STAGES)
        groups = [StageGroup(labels[start : start + GROUP_STAGES]) for start in starts]
        self._group_of = {label: group for group in groups for label in group.labels}

    def start(self, call: StageCall) -> Awaitable[Outcome]:
        self._group_of[call.label].show()
        context = contextvars.copy_context()
        return _ended(self._pool.submit(context.run, self._carry_out, call))

    def settle(self, label: str) -> None:
        if group := self._group_of.get(label):
            group.end(self._run.entries[label])

    def close(self) -> None:
        """End the tasks, also of groups of which stages are left when the flow has met an error."""
        for group in self._group_of.values():
            group.close()

    def _carry_out(self, call: StageCall) -> StageRecord:
        """Return a commit; what failed before the spend is tried again, as Prefect does with a task."""
        services, run_id = self._run.services, self._run.run_id
        for pause_s in policies.SPEND_PAUSES_S:
            try:
                return engine.run_stage(call, services, run_id)
            except AssetmillError as error:
                if not error.retryable:
                    raise
            # Those that lost the same service must not come back in the same second.
            services.wait(pause_s * random.uniform(1.0, 1.5))  # noqa: S311 - no secret
        return engine.run_stage(call, services, run_id)


class StageGroup:
    """Stages that share a task: ended by the flow's thread, shown by the task's."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        self._entries: list[StageEntry] = []
        self._is_shown = False
        self._over = threading.Event()

    def show(self) -> None:
        """Begin the group's task, once."""
        if not self._is_shown:
            self._is_shown = True
            # Quoted, because Prefect would look through it for futures.
            run_stages.submit(stages_name(self.labels), quote(self))  # pyright: ignore[reportArgumentType]

    def end(self, entry: StageEntry) -> None:
        """Note what became of a stage."""
        self._entries.append(entry)
        if len(self._entries) == len(self.labels):
            self._over.set()

    def close(self) -> None:
        """Let the task end, whatever is left."""
        self._over.set()

    def wait(self) -> State[Any]:
        """Wait until all are over, and return what the page shows: failed when any is not done."""
        self._over.wait()
        counts = Counter(entry.status for entry in self._entries)
        if left := len(self.labels) - len(self._entries):
            counts["cancelled"] += left
        text = ", ".join(f"{count} {status}" for status, count in counts.items())
        first = next((entry for entry in self._entries if not entry.is_done), None)
        if first is None and not left:
            return Completed(message=text)
        return Failed(message=f"{text}; first {first.label}: {first.error}" if first else text)


@task(name="run-stages", task_run_name="{label}", **policies.ONCE)
def run_stages(label: str, group: StageGroup) -> State[Any]:
    """Show a group of stages until the last of them is over."""
    return group.wait()


async def _ended(running: Future[StageRecord]) -> Outcome:
    future = asyncio.wrap_future(running)
    await asyncio.wait([future])
    return future.exception() or future.result()
