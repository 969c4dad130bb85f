"""Which model takes requests in which lane at which provider, by the sources that the table names."""

from __future__ import annotations

import datetime

import pytest

from assetmill.money.price_table import load_prices
from assetmill.settings import find_configs
from assetmill.spec.chat_models import load_chat_models, load_lanes
from assetmill.spec.tables import PROVIDERS

CONFIGS = find_configs({})
MODELS = load_chat_models(CONFIGS)
LANES = load_lanes(CONFIGS)

FLEX_BY_THE_PAGE = {"gpt-5.6-sol", "gpt-5.6-luna", "gpt-5.6-terra", "gpt-6-astra"}
"""What Azure's flex processing page of 2026-10-06 lists; it says to assume no other."""

FLEX_BY_PRICE_ALONE = {
    *("gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.4-pro", "gpt-5.5"),
    *("gpt-6-luna", "gpt-6-sol", "gpt-6.1-sol"),
}
FLEX_AT_OPENAI = {
    *("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5.1", "gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano"),
    *("gpt-5.4-pro", "gpt-5.5", "gpt-5.6-luna", "gpt-5.6-terra", "gpt-5.6-sol", "gpt-6-astra", "gpt-6-sol"),
    *("gpt-6-luna", "gpt-6.1-sol", "gpt-6.1-terra", "o3", "o4-mini"),
}
BATCH_SKU_SEEN = {"gpt-4o", "o3"}
NO_BATCH_ON_AZURE = {
    *("gpt-5.6-luna", "gpt-5.6-terra", "gpt-5.6-sol", "gpt-6-luna", "gpt-6-sol", "gpt-6-astra"),
    *("gpt-6.1-sol", "gpt-6.1-terra", "gpt-chat-latest", "o1", "computer-use-preview"),
}


def found(provider: str, lane: str, word: str) -> set[str]:
    """Return the models, by their own names, of which the table says that word."""
    return {model.name for model in MODELS.values() if model.lanes.get(provider, {}).get(lane) == word}


def test_flex_on_azure_is_what_its_page_lists() -> None:
    assert found("azure", "flex", "yes") == FLEX_BY_THE_PAGE
    assert found("azure", "flex", "priced") == FLEX_BY_PRICE_ALONE
    assert all(
        ("Azure OpenAI flex processing page", datetime.date(2026, 10, 6)) in MODELS[name].lane_sources
        for name in FLEX_BY_THE_PAGE
    )


def test_flex_at_openai() -> None:
    assert found("openai", "flex", "yes") == FLEX_AT_OPENAI
    assert not found("openai", "flex", "priced")


def test_batch_on_azure_is_known_by_prices_and_two_skus() -> None:
    assert found("azure", "batch", "yes") == BATCH_SKU_SEEN
    named = {model.name for model in MODELS.values()}
    assert found("azure", "batch", "priced") == named - BATCH_SKU_SEEN - NO_BATCH_ON_AZURE


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_lane_that_a_model_has_has_a_price(provider: str) -> None:
    prices = load_prices(CONFIGS, provider).chat
    lacking = [
        (name, lane)
        for name, model in MODELS.items()
        for lane in model.lanes.get(provider, {})
        if lane not in prices[name].lanes
    ]
    assert not lacking
    assert all(price.lanes.get("flex", 0.5) == 0.5 for price in prices.values())


def test_what_no_source_confirms_of_agents_is_said() -> None:
    assert {name: lane.agents for name, lane in LANES.items()} == {"flex": "unknown", "batch": "no"}
    assert all(lane.sources and lane.sources[0].day and lane.note for lane in LANES.values())
