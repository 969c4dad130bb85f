"""Stages that call an image model itself: what is planned, what it costs, what is refused before that."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.errors import InvalidSpec
from assetmill.money.prices import estimate, missing_prices
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Plan
from tests.doubles import png
from tests.written import plan_of, written

DRAW = """
stages:
  - name: hero
    prompt: A teal mug.
    tools: [{{type: image_model, model: {model}{options}}}]{more}
"""


def planned(folder: Path, model: str = "MAI-Image-2.6", options: str = "", more: str = "") -> Plan:
    text = DRAW.format(model=model, options=options, more=f"\n    {more}" if more else "")
    return plan_of(written(folder, text))


def call_of(plan: Plan) -> StageCall:
    call = plan.stages[0].call
    assert call
    return call


def test_a_direct_stage_is_a_call_without_an_agent(tmp_path: Path) -> None:
    call = call_of(planned(tmp_path, options=", deployment: mugs"))
    assert (call.model, call.image_deployment, call.instructions, call.effort) == ("mugs", None, "", None)
    assert call.prompt == "A teal mug."
    assert call.tools == (
        {"type": "image_model", "model": "MAI-Image-2.6", "size": "1024x1024", "output_format": "png"},
    )
    assert [(o.name, o.width, o.height) for o in call.outputs] == [("hero.png", 1024, 1024)]


@pytest.mark.parametrize(
    ("model", "options", "low", "high"),
    [
        ("MAI-Image-2.6", "", 0.03892575, 0.038967),
        ("MAI-Image-2.6-Flash", ", size: 1248x832", 0.01927, 0.01929),
        ("FLUX.2-pro", "", 0.03, 0.04),
        ("FLUX.2-flex", ", size: 1536x1024", 0.10, 0.10),
        ("FLUX-1.1-pro", ", size: 1440x1440", 0.04, 0.04),
        ("FLUX.1-Kontext-pro", "", 0.04, 0.04),
    ],
)
def test_a_direct_stage_is_priced_by_its_area(
    tmp_path: Path, model: str, options: str, low: float, high: float
) -> None:
    cost = estimate(call_of(planned(tmp_path, model, options)))
    assert cost.is_known
    assert (cost.low, cost.ceiling) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))


@pytest.mark.parametrize(
    ("model", "options", "missing"),
    [
        ("MAI-Image-2.7", "", "MAI-Image-2.7"),
        ("FLUX.2-pro", ", size: 1536x1024", "FLUX.2-pro 1536x1024"),
    ],
)
def test_what_no_source_prices_is_unknown(tmp_path: Path, model: str, options: str, missing: str) -> None:
    assert estimate(call_of(planned(tmp_path, model, options))).unknown == (missing,)


def test_what_a_model_reads_has_no_price_and_so_no_ceiling(tmp_path: Path) -> None:
    (tmp_path / "mug.png").write_bytes(png())
    call = call_of(planned(tmp_path, more="inputs: [{file: mug.png}]"))
    assert [bound.role for bound in call.inputs] == ["picture"]
    assert "size" not in call.tools[0]
    unknown = estimate(call).unknown
    assert unknown == ("MAI-Image-2.6 (what it reads)",)
    assert "run it without one" in missing_prices(unknown)


@pytest.mark.parametrize(
    ("model", "options", "more", "message"),
    [
        ("MAI-Image-2.6", "}, {type: code_interpreter", "", "no agent is there to use code_interpreter"),
        ("MAI-Image-2.6", "", "instructions: Be brief.", "instructions is for an agent"),
        ("MAI-Image-2.6", "", "model: gpt-4.1", "model is for an agent"),
        ("MAI-Image-2.6", "", "reasoning: low", "reasoning is for an agent"),
        ("MAI-Image-2.6", "", "image_deployment: pictures", "name it `deployment` under the tool"),
        ("MAI-Image-2.6", "", "tool_choice: required", "tool_choice is for an agent"),
        ("MAI-Image-2.6", "", "max_tool_calls: 2", "max_tool_calls is for an agent"),
        ("MAI-Image-2.6", "", "schema: {type: object, properties: {}}", "with a picture, not with data"),
        ("MAI-Image-2.6", "", "outputs: [{name: a, count: 2}]", "one call draws one picture, not 2"),
        ("MAI-Image-2.6", "", "outputs: [{name: a.png, alpha: true}]", "draws no alpha"),
        ("MAI-Image-2.6", "", "outputs: [{name: a.csv}]", "image_model makes pictures, not 'data'"),
        ("MAI-Image-2.6", "", "outputs: [{name: a.jpg}]", "MAI-Image-2.6 writes png, not jpeg"),
        (
            "MAI-Image-2.6",
            "",
            "outputs: [{name: a.png, checks: {judge: {rubric: x}}}]",
            "no agent",
        ),
        ("MAI-Image-2.6", ", quality: high", "", "unknown key 'quality'"),
        ("MAI-Image-2.6", ", seed: 3", "", "unknown key 'seed'"),
        ("MAI-Image-2.6", ", size: 512x1024", "", "both sides are at least 768"),
        ("MAI-Image-2.6", ", size: 2048x2048", "", "4194304 pixels; it draws 589824 to 2359296"),
        ("MAI-Image-2.6", ", size: auto", "", "must be told a size"),
        ("FLUX.2-pro", ", size: 1000x1000", "", "divisible by 16"),
        ("FLUX.2-pro", ", output_format: webp", "", "FLUX.2-pro writes png, jpeg, not webp"),
        ("MAI-Image-2", "", "", "was retired on 2026-08-15"),
        ("FLUX-1.1-pro", ", size: 1456x1024", "", "divisible by 32"),
        ("FLUX-1.1-pro", "", "inputs: [{file: mug.png}]", "at most 0 pictures, not 1"),
        ("FLUX.1-Kontext-pro", ", size: 1536x1024", "", "1536x1024"),
        ("gpt-image-2", "", "", "use the tool image_generation"),
        ("MAI-Image-9", "", "", "unknown image model 'MAI-Image-9'"),
        (
            "MAI-Image-2.6",
            "",
            "inputs: [{file: mug.png, as: mask}]",
            "a mask needs the tool",
        ),
        ("MAI-Image-2.6", "", "inputs: [{file: mug.png}, {file: cup.png}]", "at most 1 pictures, not 2"),
        ("MAI-Image-2.6", ", size: 1024x1024", "inputs: [{file: mug.png}]", "the size of an edit itself"),
    ],
)
def test_contradictions_are_refused_by_name(
    tmp_path: Path, model: str, options: str, more: str, message: str
) -> None:
    (tmp_path / "mug.png").write_bytes(png())
    (tmp_path / "cup.png").write_bytes(png(colour="navy"))
    with pytest.raises(InvalidSpec) as caught:
        planned(tmp_path, model, options, more)
    assert message in str(caught.value)


def test_an_agent_cannot_draw_with_such_a_model_and_is_told_how(tmp_path: Path) -> None:
    text = "stages:\n  - {name: a, prompt: x, tools: [{type: image_generation, model: MAI-Image-2.6}]}\n"
    with pytest.raises(InvalidSpec, match="call it with the tool image_model"):
        plan_of(written(tmp_path, text))


def test_the_pipelines_instructions_go_past_it_and_that_is_said(tmp_path: Path) -> None:
    text = "defaults: {instructions: Be kind.}\n" + DRAW.format(model="MAI-Image-2.6", options="", more="")
    plan = plan_of(written(tmp_path, text))
    assert any("the pipeline's instructions go past it" in warning for warning in plan.warnings)


def test_a_default_size_that_the_model_does_not_draw_is_refused_where_it_stands(tmp_path: Path) -> None:
    text = "defaults: {size: 512x512}\n" + DRAW.format(model="MAI-Image-2.6", options="", more="")
    with pytest.raises(InvalidSpec, match=r"p\.yaml:2: .*both sides are at least 768|does not draw 512x512"):
        plan_of(written(tmp_path, text))


def test_two_judges_may_look_at_what_no_agent_drew(tmp_path: Path) -> None:
    judges = "judge: {rubric: x, judges: [gpt-4.1, gpt-5.6-luna]}"
    call = call_of(planned(tmp_path, more=f"outputs: [{{name: a.png, checks: {{{judges}}}}}]"))
    assert call.is_direct


def test_a_plan_says_that_it_is_sent_at_most_once(tmp_path: Path) -> None:
    assert any("at most once" in warning for warning in planned(tmp_path).warnings)


def test_a_direct_stage_may_be_drawn_again_like_any_other(tmp_path: Path) -> None:
    call = call_of(planned(tmp_path, more="best_of: 2\n    reroll: 1"))
    one = estimate(call_of(planned(tmp_path)))
    assert estimate(call).expected == pytest.approx(2 * one.expected)
    assert estimate(call).ceiling == pytest.approx(3 * one.ceiling)
