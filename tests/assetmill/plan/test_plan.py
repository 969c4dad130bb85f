from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assetmill.errors import InvalidSpec
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Cost, make_plan
from assetmill.spec.image_models import load_image_models
from assetmill.spec.loading import load_pipeline
from assetmill.spec.pipeline import LoadedPipeline
from tests.written import CONFIGS, DEFAULTS, TODAY, plan_of, run, written

Write = Callable[[str], LoadedPipeline]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return functools.partial(written, tmp_path)


TWO = """
stages:
  - name: hero
    prompt: Draw a lamp
    tools: [image_generation]
  - name: crop
    prompt: Crop it
    tools: [code_interpreter]
    inputs: [{from: hero}]
    outputs: [{name: crop.png}]
"""


def test_a_stage_whose_input_is_not_made_yet_waits(write: Write) -> None:
    hero, crop = plan_of(write(TWO)).stages
    assert (hero.status, hero.after, hero.label) == ("run", (), "hero")
    assert (crop.status, crop.after, crop.call, crop.needs) == ("after_upstream", ("hero",), None, ("hero",))


def test_what_was_made_is_reused_on_the_next_plan(write: Write) -> None:
    pipeline = write(TWO)
    records = run(plan_of(pipeline))
    ledger = {record.fingerprint: record for record in records.values()}
    again = plan_of(pipeline, ledger)
    assert [stage.status for stage in again.stages] == ["reuse", "reuse"]
    assert again.cost == Cost(0, 0, 0)
    assert {label: again.reused[label] for label in again.reused} == records


def test_a_changed_stage_runs_again_and_those_after_it_wait(write: Write) -> None:
    ledger = {record.fingerprint: record for record in run(plan_of(write(TWO))).values()}
    changed = plan_of(write(TWO.replace("a lamp", "a chair")), ledger)
    assert [stage.status for stage in changed.stages] == ["run", "after_upstream"]
    only_last = plan_of(write(TWO.replace("Crop it", "Cut it")), ledger)
    assert [stage.status for stage in only_last.stages] == ["reuse", "run"]


FACTORED = """
axes:
  size: [1024x1024, 1536x1024, 1024x1536, wide, tall]
  locale: [{locales}]
stages:
  - name: picture
    prompt: "Draw a lamp, shape {{{{ size }}}}"
    tools: [image_generation]
  - name: overlay
    prompt: "Lay the {{{{ locale }}}} headline over {{{{ inputs[0] }}}}"
    for_each: [size, locale]
    tools: [code_interpreter]
    inputs: [{{from: picture}}]
    outputs: [{{name: "poster-{{{{ locale }}}}.png"}}]
  - name: sheet
    prompt: "Put {{{{ inputs | length }}}} posters on one page"
    tools: [code_interpreter]
    inputs: [{{from: overlay}}]
    outputs: [{{name: sheet.png}}]
"""


def test_an_axis_multiplies_only_the_stages_that_use_it(write: Write) -> None:
    """20 locales x 5 sizes with the text laid over later: 5 paid pictures."""
    locales = ", ".join(f"l{number}" for number in range(20))
    plan = plan_of(write(FACTORED.format(locales=locales)))
    counts = {name: sum(s.stage == name for s in plan.stages) for name in ("picture", "overlay", "sheet")}
    assert counts == {"picture": 5, "overlay": 100, "sheet": 1}
    records = run(plan)
    german = plan.bind("overlay[size=wide,locale=l3]", records)
    assert [bound.blob for bound in german.inputs] == [records["picture[size=wide]"].outputs[0].blob]
    sheet = plan.bind("sheet", records)
    assert sheet.prompt == "Put 100 posters on one page"
    assert len({bound.name for bound in sheet.inputs}) == 100
    assert sheet.inputs[0].name == "size-1024x1024-locale-l0-poster-l0.png"


def test_for_each_without_use_makes_no_variants(write: Write) -> None:
    text = "stages:\n  - {name: a, prompt: Draw, tools: [image_generation], for_each: {locale: [en, de]}}\n"
    assert [stage.label for stage in plan_of(write(text)).stages] == ["a"]


def test_variants_that_ask_for_the_same_are_paid_once(write: Write) -> None:
    text = """
axes: {page: [{slug: a, motif: fox}, {slug: b, motif: fox}]}
stages:
  - {name: s, prompt: "Draw a {{ page.motif }}", tools: [image_generation]}
"""
    first, second = plan_of(write(text)).stages
    assert (first.status, second.status) == ("run", "after_upstream")
    assert second.after == (first.label,)
    assert second.reason == "same as s[page=a]"


def test_templates_see_what_stages_before_said(write: Write) -> None:
    text = """
axes: {locale: [en, de]}
stages:
  - {name: one-each, prompt: "Say hello in {{ locale }}"}
  - {name: follow, prompt: "{{ locale }}: {{ stages.one_each.text }} {{ stages.one_each.data.n }}"}
  - name: gather
    prompt: "{% for v in stages.one_each.variants %}{{ v.axes.locale }} {{ v.text }};{% endfor %}"
"""
    plan = plan_of(write(text))
    records = run(plan)
    german = "one-each[locale=de]"
    assert plan.bind("follow[locale=de]", records).prompt == f"de: text of {german} {german}"
    assert plan.bind("gather", records).prompt == f"en text of one-each[locale=en];de text of {german};"


def test_needs_alone_orders_and_does_not_hide_the_call(write: Write) -> None:
    text = "stages:\n  - {name: b, prompt: hello, needs: a}\n  - {name: a, prompt: first}\n"
    first, second = plan_of(write(text)).stages
    assert (first.label, second.label) == ("a", "b")
    assert (second.status, second.after, second.call is not None) == ("run", ("a",), True)


def test_rows_of_tables_become_variants(write: Write, tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text(
        "# x\n\n| slug | title |\n|---|---|\n| a b | One \\| two |\n| c | Three |\n"
    )
    (tmp_path / "index.csv").write_text('slug,title\n"a b",One | two\nc,Three\n')
    (tmp_path / "index.json").write_text(
        json.dumps([{"slug": "a b", "title": "One | two"}, {"slug": "c", "title": "Three"}])
    )
    text = """
parameters: {index: {default: index.md, format: path}}
axes: {page: {rows: "{{ index }}", key: slug}}
stages:
  - name: s
    prompt: "Draw {{ page.title }}"
    tools: [image_generation]
    outputs: [{name: "{{ page.title | length }}.png"}]
"""
    pipeline = write(text)
    prompts = [[s.call.prompt for s in plan_of(pipeline, index=f"index.{kind}").stages if s.call]
               for kind in ("md", "csv", "json")]  # fmt: skip
    assert prompts == [["Draw One | two", "Draw Three"]] * 3
    assert [s.label for s in plan_of(pipeline).stages] == ["s[page=a-b]", "s[page=c]"]


def test_a_parameter_with_commas_is_an_axis(write: Write) -> None:
    text = """
parameters: {locales: {default: "en, de"}}
axes: {locale: {parameter: locales}}
stages: [{name: s, prompt: "Say {{ locale }}"}]
"""
    assert [s.variant for s in plan_of(write(text), locales="fr,it,no").stages] == [
        "locale=fr", "locale=it", "locale=no"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": "many"}, "'many' is not an integer"),
        ({"count": 0}, "0 is below 1"),
        ({"cuont": 1}, "did you mean 'count'?"),
        ({}, "parameter 'must' is required"),
        ({"must": 5}, "5 is not a string"),
        ({"must": "a\0b"}, "holds a NUL character"),
    ],
)
def test_parameters_are_checked(write: Write, given: dict[str, Any], message: str) -> None:
    pipeline = write("""
parameters: {count: {type: integer, default: 1, minimum: 1}, must: {}}
stages: [{name: s, prompt: "{{ count }} {{ must }}"}]
""")
    with pytest.raises(InvalidSpec) as caught:
        plan_of(pipeline, **given)
    assert message in str(caught.value)


def test_columns_that_a_row_lacks_are_named(write: Write) -> None:
    text = 'axes: {page: [{slug: a}]}\nstages: [{name: s, prompt: "{{ page.titel }}"}]'
    with pytest.raises(InvalidSpec, match="axis 'page' has no column 'titel'"):
        plan_of(write(text))


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    """For each stage those before it that it follows."""
    count = draw(st.integers(1, 8))
    return [
        draw(st.lists(st.sampled_from(range(n)), max_size=3, unique=True)) if n else [] for n in range(count)
    ]


@settings(max_examples=40)
@given(
    graph=graphs(),
    order=st.randoms(use_true_random=False),
    axes=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_order_respects_bindings(
    tmp_path_factory: pytest.TempPathFactory, graph: list[list[int]], order: Any, axes: list[bool]
) -> None:
    stages: list[dict[str, Any]] = []
    for number, follows in enumerate(graph):
        seen = " ".join(f"{{{{ stages.s{n}.text }}}}" for n in follows[1:])
        needs = [f"s{n}" for n in follows[:1]]
        stages.append(
            {"name": f"s{number}", "prompt": f"x {'{{ a }}' if axes[number] else ''} {seen}", "needs": needs}
        )
    order.shuffle(stages)
    path = tmp_path_factory.mktemp("graph") / "p.yaml"
    path.write_text(json.dumps({"name": "p", "axes": {"a": ["x", "y"]}, "stages": stages}))
    plan = plan_of(load_pipeline(str(path), CONFIGS))
    run(plan)
    assert len(plan.stages) == sum(2 if axes[n] else 1 for n in range(len(graph)))


def test_costs_come_from_the_estimate_and_unknown_stays_unknown(write: Write) -> None:
    def estimate(call: StageCall, _: int) -> Cost | None:
        return Cost(1, 2, 3) if call.stage == "hero" else None

    plan = make_plan(write(TWO), {}, defaults=DEFAULTS, estimate=estimate, today=TODAY)
    assert plan.cost == Cost(1, 2, 3)
    assert plan.unpriced == 1


def test_a_thousand_stages_are_planned_within_a_second(tmp_path: Path) -> None:
    stages = [
        f"  - name: s{n}\n    prompt: |\n      Draw the {{{{ product }}}} number {n} in a calm flat style.\n"
        f"    tools: [{{type: image_generation, size: 1024x1024}}]\n"
        + (f"    needs: s{n - 1}\n" if n % 5 else "")
        for n in range(1000)
    ]
    path = tmp_path / "big.yaml"
    path.write_text("name: big\nparameters: {product: {default: lamp}}\nstages:\n" + "".join(stages))
    load_image_models(CONFIGS)
    start = time.process_time()
    plan = plan_of(load_pipeline(str(path), CONFIGS))
    assert time.process_time() - start < 1
    assert len(plan.stages) == 1000
