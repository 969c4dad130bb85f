"""How late and how often a response is asked for, on a simulated clock: at fixed pauses, and as it is learnt.

Three waves of as many responses as are at work at once; each takes about as long as the others. What the
first wave of a process does not know is what remembering more between processes could save.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean

from assetmill.agents.rhythm import Rhythm
from benchmarks.bench import headline

AT_ONCE, WAVES, SPREAD = 50, 3, 0.1
CASES = ((0.5, 0.25), (2.0, 0.25), (30.0, 2.0))
"""Seconds that a response takes, and the profile's first pause."""


@dataclass(frozen=True)
class Asked:
    """What asking cost a wave, a response."""

    late: float
    """To the time that the response took."""
    questions: float


def ask(pauses: Iterable[float], took_s: float) -> tuple[float, float, int]:
    """Ask until it is done; return when it was last unfinished and first finished, and the questions."""
    at_s = early_s = 0.0
    for number, pause_s in enumerate(pauses, 1):
        at_s += pause_s
        if at_s >= took_s:
            return early_s, at_s, number
        early_s = at_s
    raise AssertionError("pauses have no end")


def wave(rhythm: Rhythm | None, poll_s: float, durations_s: list[float]) -> Asked:
    """Ask for responses that begin together; what is learnt counts from the next wave on, as in threads."""
    asked: list[tuple[float, float, int]] = []
    for took_s in durations_s:
        asked.append(ask(rhythm.pauses("k") if rhythm else itertools.repeat(poll_s), took_s))
    if rhythm:
        for early_s, ready_s, _ in asked:
            rhythm.learn("k", early_s, ready_s)
    late = [ready_s / took_s - 1 for (_, ready_s, _), took_s in zip(asked, durations_s, strict=True)]
    return Asked(mean(late), mean(questions for _, _, questions in asked))


def main() -> None:
    chance = random.Random(7)  # noqa: S311 - durations
    print(f"asking for {AT_ONCE} responses a wave, spread {SPREAD:.0%}: late by, and questions a response")
    for latency_s, poll_s in CASES:
        rhythm = Rhythm(poll_s, 10.0)
        waves = [
            [latency_s * chance.uniform(1.0, 1.0 + SPREAD) for _ in range(AT_ONCE)] for _ in range(WAVES)
        ]
        plain = wave(None, poll_s, waves[-1])
        learnt = [wave(rhythm, poll_s, durations_s) for durations_s in waves]
        told = ", ".join(f"{one.late:.1%} {one.questions:.1f}" for one in learnt)
        fixed = f"{plain.late:.1%} {plain.questions:.1f}"
        print(f"  {latency_s:4.1f} s, every {poll_s} s: {fixed}; learnt: {told}")


if __name__ == "__main__":
    print(headline())
    main()
