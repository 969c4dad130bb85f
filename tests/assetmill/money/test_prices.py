from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assetmill.cli.options import cost_text, total_text
from assetmill.errors import InvalidSpec
from assetmill.money.prices import (
    Prices,
    estimate,
    expected_image_usd,
    load_prices,
    missing_prices,
    price_of,
    prices_for,
)
from assetmill.plan.calls import ExpectedOutput, StageCall
from assetmill.plan.plan import Cost
from assetmill.records import Usage
from assetmill.settings import Foundry, Settings

CONFIGS = Path(__file__).parents[3] / "configs"
PRICES: Prices = load_prices(CONFIGS)
IMAGE = {"type": "image_generation", "model": "gpt-image-1.5", "size": "1536x1024", "quality": "medium"}


def call(*tools: dict[str, Any], model: str = "gpt-4.1-mini", pictures: int = 1) -> StageCall:
    return StageCall(
        pipeline="p", stage="s", variant="", prompt="Draw a lamp", instructions="", model=model,
        image_deployment=None, tools=tools,
        outputs=tuple(ExpectedOutput("picture", f"{n}.png") for n in range(pictures)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "size", "quality", "usd"),
    [
        ("gpt-image-1.5", "1024x1024", "medium", 0.0338),
        ("gpt-image-1.5", "1024x1536", "low", 0.0131),
        ("gpt-image-1.5", "1536x1024", "high", 0.1987),
        ("gpt-image-1-mini", "1024x1536", "medium", 0.015),
        ("gpt-image-2", "3840x2160", "high", 0.4),
        ("gpt-image-2-2026-04-21", "1024x1024", "medium", 0.053),
    ],
)
def test_published_prices_of_a_picture_come_out(model: str, size: str, quality: str, usd: float) -> None:
    cost = expected_image_usd(model, size, quality, prices=PRICES)
    assert cost is not None
    assert cost.expected == pytest.approx(usd, rel=0.01)


@pytest.mark.parametrize(
    ("model", "size", "quality"),
    [
        ("gpt-image-9", "1024x1024", "low"),
        ("gpt-image-2", "1600x1600", "low"),
        ("gpt-image-1.5", "1024x1024", "max"),
        ("gpt-image-2.6-sunburst", "auto", "auto"),
    ],
)
def test_what_nobody_said_is_unknown(model: str, size: str, quality: str) -> None:
    assert expected_image_usd(model, size, quality, prices=PRICES) is None


def test_auto_is_bounded_by_the_dearest() -> None:
    cost = expected_image_usd("gpt-image-1.5", "auto", "auto", prices=PRICES)
    assert cost is not None
    assert (cost.low, cost.ceiling) == (pytest.approx(272 * 32e-6), pytest.approx(6240 * 32e-6))


def test_reported_tokens_decide_what_a_call_has_cost() -> None:
    usage = Usage(
        input_tokens=1000, output_tokens=100, image_input_tokens=50, image_output_tokens=1600, images=1
    )
    expected = (1000 * 0.4 + 100 * 1.6 + 50 * 8 + 1600 * 32) / 1e6
    assert price_of(usage, call(IMAGE), PRICES) == pytest.approx(expected)


def test_without_reported_image_tokens_each_picture_counts_by_the_table() -> None:
    usage = Usage(input_tokens=0, output_tokens=0, images=2, partial_images=3)
    cost = price_of(usage, call(IMAGE), PRICES)
    assert cost is not None
    assert cost == pytest.approx((2 * 1568 + 300) * 32e-6, rel=0.01)


def test_tools_are_charged_by_use() -> None:
    usage = Usage(input_tokens=0, output_tokens=0, code_sessions=1, file_searches=2)
    assert price_of(usage, call({"type": "code_interpreter"}), PRICES) == pytest.approx(0.038)


@pytest.mark.parametrize(
    ("usage", "made"),
    [
        (Usage(images=1), call(IMAGE)),
        (Usage(input_tokens=1, output_tokens=1), call(IMAGE, model="my-own-deployment")),
        (Usage(input_tokens=1, output_tokens=1, images=1), call({**IMAGE, "model": "gpt-image-9"})),
        (Usage(input_tokens=1, output_tokens=1, images=1), call({**IMAGE, "size": "auto"})),
    ],
)
def test_an_unknown_part_makes_the_whole_unknown(usage: Usage, made: StageCall) -> None:
    assert price_of(usage, made, PRICES) is None


def test_an_estimate_brackets_what_is_expected() -> None:
    cost = estimate(call(IMAGE, {"type": "file_search"}), PRICES)
    assert 0.05 <= cost.low <= cost.expected <= cost.ceiling
    assert cost.expected == pytest.approx(0.053, abs=0.003)
    four = estimate(call(IMAGE, pictures=4), PRICES)
    assert four.expected == pytest.approx(0.2, abs=0.01)


def test_an_estimate_with_an_unknown_model_is_unknown() -> None:
    assert estimate(call(model="my-own-deployment"), PRICES) == Cost(0, 0, 0, ("my-own-deployment",))
    assert estimate(call({**IMAGE, "model": "gpt-image-9"}), PRICES).unknown == ("gpt-image-9",)
    assert estimate(call({**IMAGE, "size": "1600x1600"}), PRICES).unknown == (
        "gpt-image-1.5 1600x1600 medium",
    )


def test_the_known_part_is_told_beside_the_unknown_one() -> None:
    both = estimate(call(IMAGE, model="gpt-9"), PRICES)
    assert both.unknown == ("gpt-9",)
    assert not both.is_known
    assert both.expected == pytest.approx(1568 * 32e-6, rel=0.01)
    assert cost_text(both) == f"${both.expected:.4f} + unknown (gpt-9)"
    assert total_text(both) == f"about ${both.expected:.4f} + unknown (gpt-9)"
    assert cost_text(estimate(call(model="gpt-9"), PRICES)) == "unknown (gpt-9)"
    assert "assetmill prices --add gpt-9" in missing_prices(both.unknown)


def test_what_providers_count_is_counted() -> None:
    cached = Usage(input_tokens=1000, output_tokens=100, cached_input_tokens=400, cache_write_tokens=200)
    luna = call(model="gpt-5.6-luna")
    expected = (400 * 0.2 + 400 * 0.02 + 200 * 0.25 + 100 * 1.2) / 1e6
    assert price_of(cached, luna, PRICES) == pytest.approx(expected)
    long = Usage(input_tokens=300_000, output_tokens=1000)
    assert price_of(long, luna, PRICES) == pytest.approx((300_000 * 0.4 + 1000 * 1.8) / 1e6)
    half = Usage(input_tokens=150_000, output_tokens=500)
    assert price_of(long, luna, PRICES, turns=(half, half)) == pytest.approx(
        (300_000 * 0.2 + 1000 * 1.2) / 1e6
    )


def test_texts_and_cached_pictures_of_the_image_tool_have_prices_of_their_own() -> None:
    usage = Usage(
        input_tokens=0, output_tokens=0, images=1, image_input_tokens=1000, image_text_input_tokens=200,
        image_cached_tokens=300, image_text_cached_tokens=50, image_output_tokens=1700,
        image_text_output_tokens=100,
    )  # fmt: skip
    expected = (150 * 5 + 50 * 1.25 + 500 * 8 + 300 * 2 + 1600 * 32 + 100 * 10) / 1e6
    assert price_of(usage, call(IMAGE), PRICES) == pytest.approx(expected)


def test_a_model_that_reasons_may_think_as_long_as_its_effort_allows() -> None:
    low, high = (
        estimate(replace(call(model="gpt-5-mini"), effort=effort), PRICES) for effort in ("low", "high")
    )
    assert low.expected < high.expected
    assert high.ceiling - low.ceiling == pytest.approx(24_000 * 2 / 1e6)
    assert estimate(call(model="gpt-4.1-mini"), PRICES).ceiling < 0.03


def test_sessions_cost_by_provider_and_models_by_zone(tmp_path: Path) -> None:
    assert load_prices(CONFIGS, "openai").code_session == 0.03
    foundry = Foundry(zone="data_zone")
    zoned = prices_for(Settings(profile="t", home=tmp_path, configs=CONFIGS, foundry=foundry))
    assert zoned.chat["gpt-5.6-sol"].input == pytest.approx(4.4)
    assert zoned.image["gpt-image-1.5"].image_input == pytest.approx(8.8)
    assert zoned.code_session == PRICES.code_session


def test_where_readings_disagree_the_larger_is_reserved() -> None:
    cost = expected_image_usd("gpt-image-1-mini", "1024x1024", "medium", prices=PRICES)
    assert cost is not None
    assert (cost.low, cost.ceiling) == (pytest.approx(1056 * 8e-6), pytest.approx(1375 * 8e-6))


@pytest.mark.parametrize("text", ["", "chat = 1", "[[chat]]\nmodel = 'x'", "not toml"])
def test_a_broken_table_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(InvalidSpec, match=r"prices\.toml"):
        load_prices(tmp_path)
