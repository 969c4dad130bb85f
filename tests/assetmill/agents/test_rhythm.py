from __future__ import annotations

from itertools import islice

import pytest

from assetmill.agents.rhythm import Rhythm


def questions(rhythm: Rhythm, took_s: float) -> list[float]:
    """Ask until a response that takes so long is there, learn from it, and return when was asked."""
    asked = [0.0]
    for pause in rhythm.pauses("picture"):
        asked.append(asked[-1] + pause)
        if asked[-1] >= took_s:
            break
    rhythm.learn("picture", asked[-2], asked[-1])
    return asked[1:]


def test_without_experience_questions_get_rarer_up_to_the_slowest() -> None:
    pauses = list(islice(Rhythm(1.0, 3.0).pauses("picture"), 30))
    assert pauses[0] == 1.0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 3.0


@pytest.mark.parametrize("took_s", [3.0, 20.0, 61.0])
def test_the_first_of_a_kind_is_found_within_an_eighth_of_its_time(took_s: float) -> None:
    late_s = questions(Rhythm(1.0, 10.0), took_s)[-1] - took_s
    assert late_s <= max(1.0, took_s / 8)


def test_the_second_of_a_kind_is_met_closely_with_a_few_questions() -> None:
    rhythm = Rhythm(2.0, 10.0)
    questions(rhythm, 20.0)
    asked = questions(rhythm, 20.0)
    assert len(asked) <= 4
    assert asked[-1] - 20.0 <= 2.0


def test_what_always_takes_the_same_is_mostly_met_by_one_question() -> None:
    rhythm = Rhythm(0.25, 10.0)
    asked = [questions(rhythm, 0.52) for _ in range(100)][20:]
    assert sum(map(len, asked)) / len(asked) < 1.6
    assert sum(each[-1] - 0.52 for each in asked) / len(asked) < 0.05


def test_a_service_that_became_quicker_is_noticed() -> None:
    rhythm = Rhythm(1.0, 10.0)
    for _ in range(20):
        questions(rhythm, 20.0)
    for _ in range(20):
        questions(rhythm, 6.0)
    assert questions(rhythm, 6.0)[-1] - 6.0 < 1.0


def test_one_slow_response_does_not_make_all_others_late() -> None:
    rhythm = Rhythm(0.5, 10.0)
    rhythm.learn("picture", 4.5, 5.0)
    rhythm.learn("picture", 280.0, 300.0)
    assert questions(rhythm, 5.0)[-1] < 5.6


def test_what_is_quicker_than_the_first_question_is_asked_for_at_once() -> None:
    rhythm = Rhythm(1.0, 10.0)
    rhythm.learn("picture", 0.0, 0.2)
    assert next(rhythm.pauses("picture")) == 1.0
    assert next(rhythm.pauses("another kind")) == 1.0
