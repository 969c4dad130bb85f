"""Draws, checks and the choice among them, on doubles: what is paid, what is kept, what is found again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from assetmill.agents.gateway import ResponseRequest
from assetmill.errors import BudgetExceeded, OutputUnusable, PromptBlocked, StageBlocked
from assetmill.money.budget import Ceiling
from assetmill.money.prices import estimate
from assetmill.money.spending import spending
from assetmill.plan.calls import Acceptance, ExpectedOutput
from assetmill.records import RunId
from assetmill.stage.candidates import candidate_of, spent_usd
from assetmill.stage.engine import run_stage
from assetmill.store.memory import MemoryStore
from tests.assetmill.checks.pictures import encoded, scene
from tests.assetmill.stage.studio import BLANK, GOOD, NEXT, OTHER, RUN, Studio, checked, studio
from tests.doubles import ScriptedGateway, always, image_item, stage_call
from tests.millworks import run_here, services_on, settings_in

__all__ = ["studio"]


def test_a_draw_that_passes_is_the_result(studio: Studio) -> None:
    studio.pictures = [GOOD]
    record = studio.run(checked())
    assert record.fingerprint == checked().fingerprint
    assert [(one.check, one.state) for one in record.checks] == [("not_blank", "passed")]
    assert record.draws == (stage_call().fingerprint,)
    assert studio.run(checked(), NEXT) == record
    assert len(studio.gateway.posts) == 1


def test_a_rejected_draw_is_rerolled_and_kept_with_the_reason(studio: Studio) -> None:
    studio.pictures = [BLANK, GOOD]
    record = studio.run(checked(reroll=1))
    assert [(asset.name, asset.role, asset.rejected) for asset in record.outputs] == [
        ("hero.png", "output", ""),
        ("hero-2.png", "candidate", "hero.png: not_blank: it is one colour all over"),
    ]
    services = studio.services()
    assert [services.blobs.get(asset.blob) for asset in record.outputs] == [GOOD, BLANK]
    assert all(services.ledger.read_asset(asset.asset_id) for asset in record.outputs)


def test_every_draw_has_its_own_intent_and_the_cost_is_their_sum(
    studio: Studio, backend: MemoryStore
) -> None:
    studio.pictures = [BLANK, BLANK, GOOD]
    record = studio.run(checked(reroll=2))
    assert len(list(backend.list("v1/i/"))) == len(studio.gateway.posts) == 3
    services = studio.services()
    costs = [services.ledger.read_stage("poster", fp) for fp in record.draws]
    assert record.cost_usd == pytest.approx(sum(one.cost_usd or 0 for one in costs if one))


def test_rerolls_end_where_the_person_said(studio: Studio) -> None:
    studio.pictures = [BLANK] * 9
    with pytest.raises(OutputUnusable, match=r"3 draws, none accepted: draw 1: hero\.png: not_blank"):
        studio.run(checked(reroll=2))
    assert len(studio.gateway.posts) == 3
    with pytest.raises(OutputUnusable):
        studio.run(checked(reroll=2))
    assert len(studio.gateway.posts) == 3


def test_the_next_run_may_draw_again_and_never_repeats_a_paid_draw(studio: Studio) -> None:
    studio.pictures = [BLANK]
    with pytest.raises(OutputUnusable):
        studio.run(checked())
    studio.pictures = [GOOD]
    record = studio.run(checked(), NEXT)
    assert len(studio.gateway.posts) == 2
    assert len(record.draws) == 2


def test_a_third_run_draws_only_when_somebody_says_so(studio: Studio) -> None:
    studio.pictures = [BLANK] * 9
    for number in (1, 2):
        with pytest.raises(OutputUnusable):
            studio.run(checked(reroll=1), RunId(f"run-{number}"))
        assert len(studio.gateway.posts) == 2 * number
    with pytest.raises(OutputUnusable, match=r"2 runs paid for draws .* --pay-again"):
        studio.run(checked(reroll=1), RunId("run-3"))
    assert len(studio.gateway.posts) == 4
    services = studio.services()
    services.allow_repeats("run-4")
    with pytest.raises(OutputUnusable):
        run_stage(checked(reroll=1), services, RunId("run-4"))
    assert len(studio.gateway.posts) == 6
    assert spending(services.ledger, "day").unknown == 0


def test_other_checks_are_another_choice_and_may_draw_again(studio: Studio) -> None:
    studio.pictures = [BLANK] * 9
    for number in (1, 2, 3):
        with pytest.raises(OutputUnusable):
            studio.run(checked(), RunId(f"run-{number}"))
    assert len(studio.gateway.posts) == 2
    with pytest.raises(OutputUnusable):
        studio.run(checked(not_blank=True, max_bytes=10), RunId("run-4"))
    assert len(studio.gateway.posts) == 3


def test_checks_added_later_judge_what_is_there_without_paying(studio: Studio) -> None:
    studio.pictures = [GOOD]
    before = studio.run(stage_call())
    record = studio.run(checked(), NEXT)
    assert len(studio.gateway.posts) == 1
    assert record.outputs[0].asset_id == before.outputs[0].asset_id
    assert record.cost_usd == 0.0


def test_a_changed_check_never_reuses_what_it_did_not_see(studio: Studio) -> None:
    studio.pictures = [GOOD]
    studio.run(checked())
    stricter = checked(not_blank=True, size="999x999")
    assert stricter.fingerprint != checked().fingerprint
    studio.pictures = [GOOD]
    with pytest.raises(OutputUnusable, match="size: it is 320x240, asked is 999x999"):
        studio.run(stricter, NEXT)


def test_how_often_is_tried_decides_nothing(studio: Studio) -> None:
    assert checked(reroll=5).fingerprint == checked().fingerprint
    assert checked(best_of=2).fingerprint != checked().fingerprint
    assert candidate_of(checked(), 0).fingerprint == stage_call().fingerprint
    assert candidate_of(checked(), 1).fingerprint != stage_call().fingerprint


def test_a_structural_fault_is_rerolled_too(studio: Studio) -> None:
    call = stage_call(
        outputs=(ExpectedOutput("picture", "hero.png", width=320, height=240),),
        acceptance=Acceptance((None,), 1, 1),
    )
    studio.pictures = [BLANK, GOOD]
    record = studio.run(call)
    spoiled = record.outputs[1]
    assert (spoiled.role, spoiled.rejected[:23]) == ("candidate", "image-1.png is 64 px wi")
    assert studio.services().ledger.read_asset(spoiled.asset_id) == spoiled


def test_a_judge_that_fails_leaves_nothing_accepted_and_costs_no_second_draw(studio: Studio) -> None:
    studio.pictures = [GOOD]
    studio.scores = [7.0]
    with pytest.raises(OutputUnusable, match="does not fit its schema"):
        studio.run(checked(reroll=3, judge="A sun."))
    studio.scores = [0.9]
    studio.run(checked(reroll=3, judge="A sun."), NEXT)
    drawn = [post for post in studio.gateway.posts if "-judge" not in post.agent.name]
    assert len(drawn) == 1


def test_a_blocked_prompt_is_never_rerolled(studio: Studio) -> None:
    def refuse(_: ResponseRequest) -> None:
        asked.append(1)
        raise PromptBlocked("violence", "content_filter", 400)

    asked: list[int] = []
    studio.gateway.before = refuse
    with pytest.raises(StageBlocked):
        studio.run(checked(reroll=9))
    assert len(asked) == 1


def test_a_prompt_that_the_image_tool_refuses_is_never_rerolled(studio: Studio) -> None:
    error = {"code": "moderation_blocked", "moderation_details": {"moderation_stage": "input"}}
    item = {**image_item(GOOD), "result": None, "error": error}
    studio.gateway.script = always(item)
    with pytest.raises(StageBlocked):
        studio.run(checked(reroll=9))
    assert len(studio.gateway.posts) == 1


def test_rerolls_stop_at_the_ceiling(studio: Studio) -> None:
    expected = estimate(stage_call())
    assert expected is not None
    studio.pictures = [BLANK] * 9
    with pytest.raises(BudgetExceeded, match=r"draw 1: hero.png: not_blank.*of the ceiling of"):
        studio.run(checked(reroll=8), RUN, Ceiling("run/r", expected.ceiling * 1.001))
    assert 1 <= len(studio.gateway.posts) < 9


def test_a_ceiling_during_best_of_takes_the_best_there_is(studio: Studio) -> None:
    expected = estimate(stage_call())
    assert expected is not None
    studio.pictures = [GOOD] * 9
    record = studio.run(checked(best_of=9), RUN, Ceiling("run/r", expected.ceiling * 1.001))
    assert len(record.draws) == len(studio.gateway.posts) < 9


def test_the_estimate_counts_every_draw(studio: Studio) -> None:
    one, all_of_them = estimate(stage_call()), estimate(checked(reroll=2, best_of=2))
    assert one is not None
    assert all_of_them is not None
    assert all_of_them.expected == pytest.approx(2 * one.expected)
    assert all_of_them.ceiling == pytest.approx(4 * one.ceiling)


def test_what_a_failed_stage_spent_is_told(studio: Studio) -> None:
    studio.pictures = [BLANK, BLANK]
    with pytest.raises(OutputUnusable):
        studio.run(checked(reroll=1))
    ledger = studio.services().ledger
    first = ledger.read_stage("poster", stage_call().fingerprint)
    assert first is not None
    assert spent_usd(checked(), ledger, RUN) == pytest.approx(2 * (first.cost_usd or 0))
    assert spent_usd(checked(), ledger, NEXT) == 0.0


def _nothing(_: ResponseRequest) -> None:
    return None


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_crash_anywhere_pays_no_draw_twice(studio: Studio, after: int) -> None:
    studio.pictures = [BLANK, BLANK, GOOD]

    def die(_: ResponseRequest) -> None:
        if len(studio.gateway.posts) == after:
            studio.gateway.after = _nothing
            raise Crash

    studio.gateway.after = die
    with pytest.raises(Crash):
        studio.run(checked(reroll=2))
    record = studio.run(checked(reroll=2), NEXT)
    assert studio.services().blobs.get(record.outputs[0].blob) == GOOD
    assert len(studio.gateway.posts) == 3


def test_a_near_duplicate_of_another_stage_of_the_run_is_rerolled(studio: Studio) -> None:
    services = studio.services()
    twin = checked(not_duplicate=True, reroll=1)
    other = stage_call(stage="second", prompt="draw another", acceptance=twin.acceptance)
    studio.pictures = [GOOD, GOOD, OTHER]
    run_stage(twin, services, RUN)
    record = run_stage(other, services, RUN)
    assert services.blobs.get(record.outputs[0].blob) == OTHER
    assert "looks like hero.png of stage 'hero'" in record.outputs[1].rejected


@pytest.mark.parametrize(
    ("best_of", "reroll", "score"), [(2, 0, 0.8), (1, 1, 0.1)], ids=["not the best", "refused"]
)
def test_a_candidate_that_was_not_taken_is_nobodys_neighbour(
    studio: Studio, best_of: int, reroll: int, score: float
) -> None:
    services = studio.services()
    judged = checked(not_duplicate=True, judge={"rubric": "good?"}, best_of=best_of, reroll=reroll)
    studio.pictures, studio.scores = [GOOD, OTHER, GOOD], [score, 0.9]
    assert services.blobs.get(run_stage(judged, services, RUN).outputs[0].blob) == OTHER
    other = stage_call(
        stage="second", prompt="draw another", acceptance=checked(not_duplicate=True).acceptance
    )
    record = run_stage(other, services, RUN)
    assert services.blobs.get(record.outputs[0].blob) == GOOD
    assert len(studio.gateway.posts) == 5


def test_nothing_checked_is_said_and_stored(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import pytesseract

    monkeypatch.setattr(pytesseract.pytesseract, "tesseract_cmd", "/nowhere/tesseract")
    studio.pictures = [GOOD]
    with caplog.at_level("INFO", logger="assetmill.stage"):
        record = studio.run(checked(text="SALE"))
    assert record.checks[0].state == "not_checked"
    assert "warning: text not checked: tesseract is not installed" in caplog.text


def test_a_draw_ends_no_stage_on_the_screen(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    studio.pictures = [BLANK, GOOD]
    with caplog.at_level("INFO", logger="assetmill.stage"):
        studio.run(checked(reroll=1))
    events: Callable[[str], int] = [record.__dict__["event"] for record in caplog.records].count
    assert events("finished") == 1


CHECKED = """
name: checked
parameters: {shade: {default: "#000080"}}
stages:
  - name: hero
    prompt: Draw a hero.
    tools: [{type: image_generation, quality: low}]
    reroll: 1
    outputs:
      - name: hero.png
        checks: {not_blank: true, palette: {colours: ["{{ shade }}"], share: 0.2}}
  - name: second
    prompt: Draw it again.
    tools: [{type: image_generation, quality: low}]
    inputs: [{from: hero}]
    outputs: [{name: second.png}]
"""


def test_a_pipeline_reuses_its_choices_and_tells_what_they_cost(backend: MemoryStore, tmp_path: Path) -> None:
    good, blank = (encoded(picture.resize((1024, 1024))) for picture in (scene(1), Image.new("RGB", (8, 8))))
    left = [blank, good, good]
    gateway = ScriptedGateway(lambda _: [image_item(left.pop(0))])
    services = services_on(settings_in(tmp_path, checked=CHECKED), backend, gateway)
    manifest = run_here(services, "checked")
    assert manifest.status == "completed"
    hero = manifest.stages[0]
    assert hero.record is not None
    assert hero.spent_usd == hero.record.cost_usd
    assert [asset.role for asset in hero.record.outputs] == ["output", "candidate"]
    again = run_here(services, "checked")
    assert [entry.status for entry in again.stages] == ["reused", "reused"]
    assert len(gateway.posts) == 3
    assert spending(services.ledger, "stage").usd == pytest.approx(manifest.spent_usd)


def test_a_failed_choice_names_the_draw_that_can_be_looked_at(backend: MemoryStore, tmp_path: Path) -> None:
    blank = encoded(Image.new("RGB", (1024, 1024)))
    gateway = ScriptedGateway(lambda _: [image_item(blank)])
    services = services_on(settings_in(tmp_path, checked=CHECKED), backend, gateway)
    manifest = run_here(services, "checked")
    assert [entry.status for entry in manifest.stages] == ["failed", "skipped"]
    assert manifest.stages[0].spent_usd == pytest.approx(manifest.spent_usd)
    assert (manifest.spent_usd or 0) > 0
