"""Which stages are drawn: spread over the rows, the same each time, as few as can be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assetmill.migrating.sampling import pick, spread
from tests.assetmill.migrating.conftest import Project

ROWS = """
axes:
  page: [%s]
defaults: {image_model: gpt-image-1.5, quality: low}
stages:
  - name: hero
    prompt: Draw {{ page }}.
    tools: [image_generation]
    outputs: [{name: "{{ page }}.png"}]
  - name: dusk
    prompt: Make it dusk.
    for_each: page
    tools: [image_generation]
    inputs: [{from: hero}]
    outputs: [{name: "{{ page }}-dusk.png"}]
  - name: words
    prompt: Say it.
"""


@given(st.integers(1, 300))
def test_every_row_comes_once(count: int) -> None:
    assert sorted(spread(count)) == list(range(count))


def test_the_first_few_lie_far_apart() -> None:
    assert spread(8)[:4] == [0, 4, 2, 6]
    assert spread(1) == [0]


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 20), max_size=5), st.integers(0, 60))
def test_groups_share_the_sample(sizes: dict[str, int], wanted: int) -> None:
    groups = {name: [(name, row) for row in range(count)] for name, count in sizes.items()}
    picked = pick(groups, wanted)
    assert len(picked) == len(set(picked)) == min(wanted, sum(sizes.values()))
    taken = {name: sum(one[0] == name for one in picked) for name in groups}
    for name, count in taken.items():
        assert count == sizes[name] or count >= max(taken.values()) - 1


def test_stages_take_the_same_rows_so_that_little_more_is_drawn(project: Project) -> None:
    project.write("site", ROWS % ", ".join(f"p{row:02d}" for row in range(12)))
    answers = {"quality:low": "low"}
    (one,) = project.propose("gpt-image-2", "site", answers=answers, sample=5).pipelines
    assert one.picked == (
        "hero[page=p00]",
        "hero[page=p04]",
        "hero[page=p08]",
        "dusk[page=p00]",
        "dusk[page=p08]",
    )
    assert [stage.label for stage in one.after_sample.stages] == list(one.picked)
    (again,) = project.propose("gpt-image-2", "site", answers=answers, sample=5).pipelines
    assert again.picked == one.picked


def test_what_a_picked_stage_needs_is_drawn_and_priced_too(project: Project) -> None:
    chain = """
defaults: {quality: low}
stages:
  - name: hero
    prompt: Draw a lamp.
    tools: [{type: image_generation, model: gpt-image-2}]
    outputs: [{name: hero.png}]
  - name: dusk
    prompt: Make it dusk.
    tools: [{type: image_generation, model: gpt-image-1.5}]
    inputs: [{from: hero}]
    outputs: [{name: dusk.png}]
"""
    project.write("poster", chain)
    (one,) = project.propose("gpt-image-2", "poster", answers={"quality:low": "low"}).pipelines
    assert one.picked == ("dusk",)
    assert [stage.label for stage in one.after_sample.stages] == ["hero", "dusk"]
    before, after = one.costs
    run_before, run_after = one.before.run_cost, one.after.run_cost
    hero = one.before.plan.stages[0].cost
    assert hero
    # The hero serves both sides and is paid once.
    assert before.expected == run_before.expected
    assert round(after.expected, 8) == round(run_after.expected - hero.expected, 8)
