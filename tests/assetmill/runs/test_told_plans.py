"""A plan asks no network, and knows what the endpoint told before: that goes before the tables."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from assetmill.agents.lifecycles import Lifecycle
from assetmill.agents.told import keep_told
from assetmill.errors import InvalidSpec
from assetmill.runs.planning import plan_loaded
from assetmill.settings import Settings
from assetmill.spec.loading import load_pipeline
from tests.millworks import settings_in

TODAY = datetime.date(2026, 12, 17)
SCENE = """
name: scene
defaults: {image_model: gpt-image-1.5, quality: low, model: gpt-5-mini, image_deployment: art}
stages:
  - {name: hero, prompt: Draw., tools: [image_generation], outputs: [{name: hero.png}]}
"""
AZURE = {"endpoint": "https://f.example/api/projects/p", "provider": "azure"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = settings_in(tmp_path, scene=SCENE)
    return settings.model_copy(update={"foundry": settings.foundry.model_copy(update=AZURE)})


def warnings(settings: Settings, *told: tuple[str, str, bool]) -> tuple[str, ...]:
    days = [
        Lifecycle(name, name, "1", datetime.date.fromisoformat(day) if day else None, is_gone, "the list")
        for name, day, is_gone in told
    ]
    keep_told(settings.home, settings.foundry.endpoint, days, TODAY)
    return plan_loaded(load_pipeline("scene", settings.configs), {}, settings, None, TODAY).warnings


def test_by_the_tables_alone_a_model_that_is_gone_stops_a_plan(settings: Settings) -> None:
    with pytest.raises(InvalidSpec, match="was retired on 2026-12-16"):
        warnings(settings)


def test_a_later_day_of_the_endpoint_goes_before_the_tables(settings: Settings) -> None:
    found = warnings(settings, ("gpt-image-1.5", "2027-06-16", False), ("gpt-5-mini", "2027-07-13", False))
    assert found == ()


@pytest.mark.parametrize("name", ["art", "gpt-image-1.5"])
def test_an_earlier_day_is_told_with_who_said_it_and_when(settings: Settings, name: str) -> None:
    told = ((name, "2027-01-02", False), ("gpt-5-mini", "", True))
    assert warnings(settings, *told) == (
        "model 'gpt-5-mini' was retired (the list, 2026-12-17); use gpt-5.4-mini",
        "image model 'gpt-image-1.5' is retired on 2027-01-02 (the list, 2026-12-17); use gpt-image-2",
    )


def test_a_name_of_ones_own_has_a_day_once_the_endpoint_told_it(settings: Settings, tmp_path: Path) -> None:
    path = settings.configs / "pipelines" / "scene.yaml"
    path.write_text(SCENE.replace("gpt-5-mini", "mini-prod"))
    found = warnings(settings, ("mini-prod", "2027-02-09", False), ("art", "2027-06-16", False))
    assert found == ("model 'mini-prod' is retired on 2027-02-09 (the list, 2026-12-17)",)


def test_what_another_endpoint_told_counts_nothing(settings: Settings) -> None:
    days = [Lifecycle("art", "art", "1", datetime.date(2027, 6, 16), is_gone=False, source="the list")]
    keep_told(settings.home, "https://other.example", days, TODAY)
    with pytest.raises(InvalidSpec, match="was retired on 2026-12-16"):
        warnings(settings)
