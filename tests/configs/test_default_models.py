"""Every model that is used when nobody names one must have a price and days to live."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.money.prices import load_prices
from assetmill.settings import Foundry
from assetmill.spec.chat_models import load_chat_models
from assetmill.spec.image_models import load_image_models
from assetmill.spec.lifetimes import Lifetime
from assetmill.spec.loading import load_pipeline, pipeline_names

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
RELEASED = load_image_models(CONFIGS).as_of
LEFT = datetime.timedelta(days=60)
YEAR = datetime.timedelta(days=365)


def defaults() -> Iterator[tuple[str, str]]:
    """Yield (place, model) for every model that a default, a profile or an example names."""
    yield "settings", Foundry().model
    yield "settings", Foundry().image_model
    for path in (CONFIGS / "profiles").glob("*.toml"):
        foundry = tomllib.loads(path.read_text())["foundry"]
        for key in ("model", "image_model", "image_deployment"):
            yield path.name, foundry[key]
    for name in pipeline_names(CONFIGS):
        spec = load_pipeline(name, CONFIGS).spec
        tools = [tool for stage in spec.stages for tool in stage.tools]
        named = (spec.defaults.model, spec.defaults.image_model, *(stage.model for stage in spec.stages))
        for model in (*named, *(getattr(tool, "model", None) for tool in tools)):
            if model:
                yield name, model
    yield "emulator", "gpt-image-2"


def lifetime(model: str) -> Lifetime | None:
    image, chat = load_image_models(CONFIGS).find(model), load_chat_models(CONFIGS).get(model)
    return image.lifetime if image else chat.lifetime if chat else None


@pytest.mark.parametrize(("place", "model"), sorted(set(defaults())))
def test_a_default_has_a_price_and_lives_on(place: str, model: str) -> None:
    prices = load_prices(CONFIGS)
    assert model in {**prices.chat, **prices.image}, f"{place}: no price for {model}"
    known = lifetime(model)
    assert known is not None, f"{place}: {model} is in no table of models"
    day = known.ends_at("azure")
    assert day is not None, f"{place}: no day is known for {model} on azure"
    assert day - RELEASED > LEFT, f"{place}: {model} ends on {day}"


def test_the_chat_default_outlives_a_year_and_no_picture_model_outlives_ours() -> None:
    chat, image = lifetime(Foundry().model), lifetime(Foundry().image_model)
    assert chat
    assert image
    chat_day, image_day = chat.ends_at("azure"), image.ends_at("azure")
    assert chat_day
    assert image_day
    assert chat_day - RELEASED > YEAR
    others = load_image_models(CONFIGS).rows.values()
    days = [model.retired_at("azure") for model in others if model.is_tool and "azure" in model.providers]
    assert image_day == max(day for day in days if day)


@pytest.mark.parametrize("name", ["gpt-4.1-mini", "gpt-image-1.5", Foundry().model, Foundry().image_model])
def test_the_emulator_has_what_old_and_new_profiles_name(name: str) -> None:
    data = ROOT / "emulator" / "foundry_emulator"
    deployed = tomllib.loads((data / "deployments.toml").read_text())["deployment"]
    assert name in {one["model"] for one in deployed}
    bill, ours = tomllib.loads((data / "prices.toml").read_text()), load_prices(CONFIGS)
    if name in ours.chat:
        assert bill["chat"][name] == {"input": ours.chat[name].input, "output": ours.chat[name].output}
    else:
        price = ours.image[name]
        charged = bill["image"][name]
        assert charged == {
            "image_output": price.output, "image_input": price.image_input, "text_input": price.text_input
        }  # fmt: skip
    assert bill["tools"]["code_interpreter_session"] == ours.code_session
    assert bill["tools"]["file_search_call"] == ours.file_search
