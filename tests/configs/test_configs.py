from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from assetmill.money.prices import estimate, load_prices
from assetmill.plan.binder import ProfileDefaults
from assetmill.plan.plan import Plan, make_plan
from assetmill.runs.font_use import known_fonts
from assetmill.settings import load_settings
from assetmill.spec.axes import read_rows
from assetmill.spec.chat_models import load_chat_models
from assetmill.spec.checks import SAFE_NAME
from assetmill.spec.image_models import load_image_models
from assetmill.spec.loading import load_pipeline, pipeline_names
from assetmill.spec.styles import load_style, style_names
from assetmill.spec.tables import PROVIDERS

CONFIGS = Path(__file__).parents[2] / "configs"
TODAY = datetime.date(2026, 11, 28)
CHECKED = {
    "profiles",
    "pipelines",
    "styles",
    "knowledge",
    "data",
    "fonts",
    "fonts.toml",
    "chat_models.toml",
    "image_models.toml",
    "prices.toml",
}

PIPELINES = pipeline_names(CONFIGS)


def plan(name: str, profile: str = "local") -> Plan:
    defaults = ProfileDefaults.of(load_settings(profile, {"ASSETMILL_CONFIGS": str(CONFIGS)}))
    prices = load_prices(CONFIGS)
    return make_plan(
        load_pipeline(name, CONFIGS),
        {},
        defaults=defaults,
        estimate=lambda call, coming: estimate(call, prices, coming=coming),
        today=TODAY,
    )


def test_every_file_is_of_a_kind_that_is_checked_here() -> None:
    files = [entry.relative_to(CONFIGS) for entry in CONFIGS.rglob("*") if entry.is_file()]
    assert {file.parts[0] for file in files} == CHECKED


def test_every_font_can_be_read_and_its_licence_is_beside_it() -> None:
    fonts = list(known_fonts(CONFIGS))
    assert [(one.name, one.fault) for one in fonts if one.fault or not one.scripts] == []
    assert {one.licence for one in fonts} == {"OFL-1.1"}
    assert "SIL OPEN FONT LICENSE" in (CONFIGS / "fonts" / "OFL.txt").read_text(encoding="utf-8").upper()


@pytest.mark.parametrize("name", style_names(CONFIGS))
def test_every_style_kit_says_something(name: str) -> None:
    assert load_style(name, CONFIGS).kit.parts()


@pytest.mark.parametrize("profile", [path.stem for path in (CONFIGS / "profiles").glob("*.toml")])
def test_every_profile_loads(profile: str) -> None:
    assert load_settings(profile, {"ASSETMILL_CONFIGS": str(CONFIGS)}).profile == profile


@pytest.mark.parametrize("profile", [path.stem for path in (CONFIGS / "profiles").glob("*.toml")])
@pytest.mark.parametrize("name", PIPELINES)
def test_every_pipeline_plans_with_its_defaults_and_a_known_cost(name: str, profile: str) -> None:
    planned = plan(name, profile)
    assert planned.name == name
    assert planned.warnings == ()
    assert planned.unpriced == 0
    assert 0 < planned.cost.low <= planned.cost.expected <= planned.cost.ceiling < 5


@pytest.mark.parametrize("name", PIPELINES)
def test_every_output_of_an_example_has_a_safe_name_and_its_own(name: str) -> None:
    for stage in plan(name).stages:
        if stage.call:
            names = [output.name for output in stage.call.outputs]
            assert all(SAFE_NAME.fullmatch(output) for output in names)
            assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", PIPELINES)
def test_python_in_prompts_compiles(name: str) -> None:
    for stage in load_pipeline(name, CONFIGS).spec.stages:
        for code in re.findall(r"```python\n(.*?)```", stage.prompt, re.DOTALL):
            filled = re.sub(r"\{\{.*?tojson *\}\}", "0", code).replace("{{ inputs[0] }}", "a.png")
            compile(re.sub(r"\{\{.*?\}\}", "x", filled), name, "exec")


def test_the_report_has_the_columns_and_sector_that_it_charts() -> None:
    rows = list(read_rows(CONFIGS / "data" / "sales.csv"))
    assert set(rows[0]) == {"company", "sector", "quarter", "revenue", "operating_profit"}
    assert sum(row["sector"] == "TRANSPORTATION" for row in rows) >= 8
    assert all(float(row["operating_profit"]) for row in rows)


def test_every_image_model_that_has_a_price_is_in_the_capability_table() -> None:
    models = load_image_models(CONFIGS)
    assert set(load_prices(CONFIGS).image) <= set(models.rows)
    assert all(row.sources for row in models.rows.values())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_replacement_outlives_what_it_replaces(provider: str) -> None:
    rows = {**load_image_models(CONFIGS).rows, **load_chat_models(CONFIGS)}
    for row in rows.values():
        gone = row.lifetime.ends_at(provider)
        if gone and (name := row.lifetime.replaced_by(provider)):
            later = rows[name].lifetime.ends_at(provider)
            assert later is None or later > gone, (row.name, name)
