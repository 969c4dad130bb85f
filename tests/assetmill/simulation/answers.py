"""Worlds of the simulation: what the service answers where public sources disagree or are silent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from assetmill.agents.gateway import Way

Assumption = Literal["A1", "A2", "A3", "A4", "A6"]


@dataclass(frozen=True)
class Answers:
    """One world; the defaults are what the protocol's decision page assumes."""

    echoes_marks: bool = False
    drops_background: bool = False
    newest_first: bool = False
    is_filtered: bool = True
    forgets_with_conversation: bool = False
    """Against A3: responses go with their conversation when it is deleted."""
    accepts_deleted: bool = False
    """Against A1: a deleted conversation takes responses."""
    lags: float = 1.0
    """How many settle times a response may stay out of lists: more than one is against A2."""
    ends_with_its_line: bool = False
    """Against A6: what is not in the background ends, unlisted, when its caller leaves."""
    lists_at_once: bool = False
    """What is not in the background is listed before it is over."""
    hides_results: bool = False
    locks: bool = False
    """A conversation takes one response at a time; without it some seeds do and some do not."""
    silent_limits: bool = False
    """A 429 says nothing of when to come again."""
    foreign_limits: bool = False
    """A 429 comes from a gateway, in words that prove nothing."""

    def broken(self, way: Way) -> frozenset[Assumption]:
        """Return the assumptions that a probe in that way would see fail."""
        on_the_line = way != "background"
        found: dict[Assumption, bool] = {
            "A1": self.accepts_deleted,
            "A2": self.lags > 1,
            "A3": self.forgets_with_conversation,
            # What is asked to run in the background and does not is never fenced.
            "A6": (self.ends_with_its_line and on_the_line)
            or (self.drops_background and way == "background"),
        }
        return frozenset(name for name, is_broken in found.items() if is_broken)


USUAL = Answers()
WORLDS: dict[str, Answers] = {
    "usual": USUAL,
    "marks come back": Answers(echoes_marks=True),
    "background is dropped": Answers(drops_background=True),
    "lists are newest first": Answers(newest_first=True, echoes_marks=True),
    "lists are not filtered": Answers(is_filtered=False),
    "responses go with their conversation": Answers(forgets_with_conversation=True),
    "lists lag beyond the settle time": Answers(lags=3.0),
    "what loses its line is gone": Answers(ends_with_its_line=True),
    "the line is listed at once": Answers(lists_at_once=True),
    "results are hidden": Answers(hides_results=True),
    "conversations are locked": Answers(locks=True),
    "limits are silent": Answers(silent_limits=True),
    "limits come from a gateway": Answers(foreign_limits=True),
    "all that a fence can bear": Answers(
        newest_first=True, hides_results=True, locks=True, silent_limits=True, lists_at_once=True
    ),
    "all at once": replace(
        Answers(newest_first=True, is_filtered=False, hides_results=True, locks=True, silent_limits=True),
        drops_background=True,
        forgets_with_conversation=True,
        ends_with_its_line=True,
        lags=3.0,
    ),
}
