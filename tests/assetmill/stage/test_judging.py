"""Judges of draws: scores, questions, several at once; what they cost and what they decide."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from assetmill.errors import OutputUnusable
from assetmill.money.prices import estimate
from tests.assetmill.checks.pictures import encoded, scene
from tests.assetmill.stage.studio import BLANK, GOOD, NEXT, OTHER, Studio, checked, studio
from tests.doubles import stage_call

__all__ = ["studio"]


def test_the_best_of_several_is_chosen_by_the_judge(studio: Studio) -> None:
    studio.pictures, studio.scores = [GOOD, OTHER, encoded(scene(2))], [0.8, 0.95, 0.9]
    record = studio.run(checked(best_of=3, judge="A sun over hills."))
    services = studio.services()
    assert services.blobs.get(record.outputs[0].blob) == OTHER
    assert record.outputs[1].rejected == "it scored 0.80; draw 2 scored 0.95 and was taken"
    assert record.checks[0].message == "scored 0.95, asked is 0.70: a bent handle"
    assert len(studio.gateway.posts) == 6
    assert studio.run(checked(best_of=3, judge="A sun over hills."), NEXT) == record


@pytest.mark.parametrize(
    ("score", "why"),
    [
        (0.9, "it scored 0.90; draw 1 scored the same, came first and was taken"),
        (0.899, "it scored 0.90; draw 1 scored a little more and was taken"),
        (None, "it passed, and draw 1, which came first, was taken"),
    ],
)
def test_what_was_not_taken_says_why_in_words(studio: Studio, score: float | None, why: str) -> None:
    studio.pictures, studio.scores = [GOOD, OTHER], [0.9, score or 0.9]
    wanted = checked(best_of=2, judge="A sun.") if score else checked(best_of=2, not_blank=True)
    assert studio.run(wanted).outputs[1].rejected == why


def test_a_judge_sees_the_picture_only_when_all_else_passed(studio: Studio) -> None:
    studio.pictures, studio.scores = [BLANK, GOOD], [0.75]
    studio.run(checked(reroll=1, not_blank=True, judge="A sun."))
    asked = [post for post in studio.gateway.posts if "-judge" in post.agent.name]
    assert len(asked) == 1
    assert any(part["type"] == "input_image" for part in asked[0].input[0]["content"])


def test_a_judge_is_shown_what_a_person_sees(studio: Studio) -> None:
    """White on transparency is nothing at all on white: the judge gets it over both grounds."""
    letters = Image.new("RGBA", (64, 48), (0, 0, 0, 0))
    letters.paste("white", (16, 12, 48, 36))
    studio.pictures, studio.scores = [encoded(letters)], [0.9]
    record = studio.run(checked(judge="A white card."))
    (given,) = studio.gateway.files.values()
    with Image.open(io.BytesIO(given)) as seen:
        assert (seen.size, seen.mode) == ((128, 48), "RGB")
        corners = [(0, 0), (32, 24), (64, 0), (96, 24)]
        colours = [seen.getpixel(corner) for corner in corners]
    assert colours == [(255,) * 3, (255,) * 3, (0,) * 3, (255,) * 3]
    assert studio.services().blobs.get(record.outputs[0].blob) == encoded(letters)


TWO = {"questions": ["Is there one lamp?", "Is it free of lettering?"], "pass_score": 1}
MODEL = stage_call().model


def test_questions_are_counted_here(studio: Studio) -> None:
    studio.pictures, studio.answers = [GOOD], {MODEL: [True, True]}
    (check,) = studio.run(checked(judge=TWO)).checks
    assert (check.state, check.score, check.agreement) == ("passed", 1.0, None)
    (asked,) = [post for post in studio.gateway.posts if "-judge" in post.agent.name]
    assert r"1. Is there one lamp?\n2. Is it free of lettering?" in json.dumps(asked.input)


def test_a_question_with_no_rejects_and_is_named(studio: Studio) -> None:
    studio.pictures, studio.answers = [GOOD], {MODEL: [True, False]}
    with pytest.raises(OutputUnusable, match=r"scored 0\.50, asked is 1\.00: no: Is it free of lettering\?"):
        studio.run(checked(judge=TWO))


def test_questions_are_made_from_the_prompt_once_and_kept(studio: Studio) -> None:
    studio.pictures, studio.made = [GOOD, OTHER], ["One lamp?", " No lettering? ", "One lamp?", ""]
    studio.answers = {"gpt-6-luna": [True, True], "gpt-5.4-mini": [True, False]}
    judges = {"judges": ["gpt-6-luna", "gpt-5.4-mini"]}
    judge = {"questions": "from prompt", "pass_score": 0.5, **judges}
    record = studio.run(checked(best_of=2, judge=judge))
    (check,) = record.checks
    assert (check.score, check.agreement) == (0.5, 0.5)
    assert "no: No lettering? (the judges differ)" in check.message
    made = [post for post in studio.gateway.posts if "-questions" in post.agent.name]
    assert len(made) == 1
    assert stage_call().prompt in json.dumps(made[0].input)
    assert len(studio.gateway.posts) == 1 + 2 + 4
    kept = [one for one in studio.services().ledger.stages() if one.stage.endswith("-questions")]
    assert [one.data for one in kept] == [{"questions": studio.made}]
    assert record.cost_usd == pytest.approx(sum(one.cost_usd or 0.0 for one in paid(studio)))
    # Another threshold makes them anew as little as it draws.
    studio.run(checked(best_of=2, judge={**judge, "pass_score": 0.4}), NEXT)
    assert len(studio.gateway.posts) == 7


def paid(studio: Studio) -> list[Any]:
    """Return every record that was paid itself: the choice repeats what its draws and judges cost."""
    return [one for one in studio.services().ledger.stages() if not one.draws]


def test_a_prompt_of_which_no_question_comes_accepts_nothing(studio: Studio) -> None:
    studio.pictures, studio.made = [GOOD], ["", " "]
    with pytest.raises(OutputUnusable, match="no question was made from the prompt: write `questions`"):
        studio.run(checked(judge={"questions": "from prompt"}))


def test_making_questions_is_priced_once_for_all_draws() -> None:
    def ceiling(**judge: Any) -> float:
        return estimate(checked(best_of=3, judge={"model": "gpt-6-luna", **judge})).ceiling

    made, written = ceiling(questions="from prompt"), ceiling(questions=["x"])
    once = estimate(stage_call(model="gpt-6-luna", tools=(), outputs=(), instructions="")).ceiling
    assert made - written == pytest.approx(once, rel=0.01)


def test_two_judges_are_asked_apart_and_their_agreement_is_on_record(studio: Studio) -> None:
    studio.pictures = [GOOD]
    studio.answers = {"gpt-6-luna": [True, True], "gpt-5.4-mini": [True, False]}
    judge = {**TWO, "pass_score": 0.5, "judges": ["gpt-6-luna", "gpt-5.4-mini"]}
    record = studio.run(checked(judge=judge))
    (check,) = record.checks
    assert (check.state, check.score, check.agreement) == ("passed", 0.5, 0.5)
    assert "Is it free of lettering? (the judges differ); the judges agree to 50%" in check.message
    assert len(studio.gateway.posts) == 3
    # Another threshold asks nobody again.
    studio.run(checked(judge={**judge, "pass_score": 0.4}), NEXT)
    assert len(studio.gateway.posts) == 3


def test_scores_of_several_judges_are_averaged(studio: Studio) -> None:
    studio.pictures, studio.scores = [GOOD], [0.9, 0.6]
    judge = {"rubric": "A sun.", "judges": ["gpt-6-luna", "gpt-5.4-mini"]}
    (check,) = studio.run(checked(judge=judge)).checks
    assert (check.score, check.agreement) == (0.75, 0.7)


def test_each_judge_is_priced() -> None:
    names = ["gpt-6-luna", "gpt-5.4-mini"]
    none = estimate(checked(not_blank=True))
    first, second, both = (
        estimate(checked(judge={**TWO, "judges": judges})) for judges in (names[:1], names[1:], names)
    )
    assert none
    assert first
    assert second
    assert both
    parts = first.ceiling + second.ceiling - none.ceiling
    assert both.ceiling == pytest.approx(parts)


def test_a_low_score_rejects(studio: Studio) -> None:
    studio.pictures, studio.scores = [GOOD], [0.2]
    with pytest.raises(OutputUnusable, match=r"judge: scored 0.20, asked is 0.70: a bent handle"):
        studio.run(checked(judge="A sun."))
