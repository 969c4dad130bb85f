from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import InvalidSpec
from assetmill.money.prices import Prices, estimate, expected_image_usd, load_prices, price_of
from assetmill.plan.calls import ExpectedOutput, StageCall
from assetmill.records import Usage

PRICES: Prices = load_prices(Path(__file__).parents[3] / "configs")
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
        ("gpt-image-1.5", "1024x1024", "low", 0.009),
        ("gpt-image-1.5", "1536x1024", "high", 0.2),
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
    assert (cost.low, cost.ceiling) == (pytest.approx(281 * 32e-6), pytest.approx(6250 * 32e-6))


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
    assert cost == pytest.approx((2 * 1563 + 300) * 32e-6, rel=0.01)


def test_tools_are_charged_by_use() -> None:
    usage = Usage(input_tokens=0, output_tokens=0, code_sessions=1, file_searches=2)
    assert price_of(usage, call({"type": "code_interpreter"}), PRICES) == pytest.approx(0.035)


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
    assert cost is not None
    assert 0.05 <= cost.low <= cost.expected <= cost.ceiling
    assert cost.expected == pytest.approx(0.053, abs=0.003)
    four = estimate(call(IMAGE, pictures=4), PRICES)
    assert four is not None
    assert four.expected == pytest.approx(0.2, abs=0.01)


def test_an_estimate_with_an_unknown_model_is_unknown() -> None:
    assert estimate(call(model="my-own-deployment"), PRICES) is None
    assert estimate(call({**IMAGE, "model": "gpt-image-9"}), PRICES) is None


@pytest.mark.parametrize("text", ["", "chat = 1", "[[chat]]\nmodel = 'x'", "not toml"])
def test_a_broken_table_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(InvalidSpec, match=r"prices\.toml"):
        load_prices(tmp_path)
