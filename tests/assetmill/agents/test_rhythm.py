from __future__ import annotations

from itertools import islice

from assetmill.agents.rhythm import Rhythm


def questions(rhythm: Rhythm, took_s: float) -> list[float]:
    """Ask until a response that takes so long is there; return when was asked."""
    asked: list[float] = []
    now = 0.0
    for pause in rhythm.pauses("picture"):
        now += pause
        asked.append(now)
        if now >= took_s:
            return asked
    return asked


def test_without_experience_questions_get_rarer_up_to_the_slowest() -> None:
    pauses = list(islice(Rhythm(1.0, 3.0).pauses("picture"), 8))
    assert pauses[0] == 1.0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 3.0


def test_with_experience_a_few_questions_meet_the_end_closely() -> None:
    rhythm = Rhythm(2.0, 10.0)
    for _ in range(4):
        rhythm.learn("picture", questions(rhythm, 20.0)[-1])
    asked = questions(rhythm, 20.0)
    assert len(asked) <= 4
    assert asked[-1] - 20.0 <= 2.0


def test_one_slow_response_does_not_make_all_others_late() -> None:
    rhythm = Rhythm(0.5, 10.0)
    rhythm.learn("picture", 5.0)
    rhythm.learn("picture", 300.0)
    assert questions(rhythm, 5.0)[-1] < 5.6


def test_what_is_quicker_than_the_first_question_is_asked_for_at_once() -> None:
    rhythm = Rhythm(1.0, 10.0)
    rhythm.learn("picture", 0.2)
    assert next(rhythm.pauses("picture")) == 1.0
    assert next(rhythm.pauses("another kind")) == 1.0
