"""Rows go in groups, each a task of Prefect's: few, and no thread idles for the slowest row of one."""

from __future__ import annotations

import heapq
import random

import pytest

from assetmill.batches.work import GROUP_ROWS, group_rows, groups_at_once

ROWS = 3000


def idle(at_once: int, group: int, side_by_side: int) -> float:
    """Return the share of a batch's time in which threads had nothing to do, of rows that differ much."""
    chance = random.Random(11)
    rows = [chance.lognormvariate(0, 0.5) for _ in range(ROWS)]
    groups = [range(start, min(start + group, ROWS)) for start in range(0, ROWS, group)][::-1]
    open_rows: dict[int, int] = {}
    ready: list[int] = []
    ends: list[tuple[float, int]] = []
    now = 0.0
    while groups or ready or ends:
        while groups and len(open_rows) < side_by_side:
            begun = groups.pop()
            open_rows[begun.start // group] = len(begun)
            ready.extend(begun)
        while ready and len(ends) < at_once:
            row = heapq.heappop(ready)
            heapq.heappush(ends, (now + rows[row], row))
        now, row = heapq.heappop(ends)
        open_rows[row // group] -= 1
        if not open_rows[row // group]:
            del open_rows[row // group]
    return 1 - sum(rows) / at_once / now


@pytest.mark.parametrize("at_once", [4, 8, 16, 50, 100])
def test_no_thread_idles_for_the_slowest_row_of_a_group(at_once: int) -> None:
    everything = idle(at_once, ROWS, 1)
    assert idle(at_once, group_rows(at_once), groups_at_once(at_once)) < everything + 0.02


def test_with_fewer_at_once_threads_would_idle() -> None:
    assert idle(50, 16, 7) > idle(50, ROWS, 1) + 0.05


def test_prefect_sees_few_tasks_of_a_batch_that_is_wide() -> None:
    assert group_rows(4) == GROUP_ROWS
    assert ROWS / group_rows(50) <= 60
