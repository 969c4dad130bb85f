"""Which stages are drawn to be looked at: the same ones each time they are asked for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from assetmill.plan.plan import Plan, PlannedStage

Group = TypeVar("Group", bound=Hashable)
Item = TypeVar("Item")


def spread(count: int) -> list[int]:
    """Return the numbers below `count`, so ordered that the first few of them lie far apart.

    Each longer choice holds the shorter one: stages that are drawn less often take rows of those before them.
    """
    width = max(1, (count - 1).bit_length())
    return sorted(range(count), key=lambda number: int(f"{number:0{width}b}"[::-1], 2))


def pick(groups: Mapping[Group, Sequence[Item]], wanted: int) -> list[Item]:
    """Return at most so many items, of each group as many as of the others while it has them."""
    orders = {group: [items[at] for at in spread(len(items))] for group, items in groups.items()}
    taken = dict.fromkeys(groups, 0)
    left = min(wanted, sum(map(len, groups.values())))
    while left:
        for group, order in orders.items():
            if left and taken[group] < len(order):
                taken[group] += 1
                left -= 1
    return [
        item for group, items in groups.items() for item in items if item in orders[group][: taken[group]]
    ]


def needed_for(plan: Plan, labels: Sequence[str]) -> tuple[PlannedStage, ...]:
    """Return these stages and all that must be made before them, in an order in which they can run."""
    stages = {stage.label: stage for stage in plan.stages}
    found: set[str] = set()
    waiting = list(labels)
    while waiting:
        label = waiting.pop()
        if label not in found:
            found.add(label)
            waiting += () if stages[label].record else stages[label].needs
    return tuple(stage for stage in plan.stages if stage.label in found)
