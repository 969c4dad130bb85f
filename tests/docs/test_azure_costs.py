"""The costs that the page about Azure gives are those of the price list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assetmill.money.prices import load_prices, price_of
from assetmill.records import Usage
from assetmill.settings import find_configs
from tests.doubles import stage_call

PAGE = Path(__file__).parents[2] / "docs" / "azure.md"
ROW = re.compile(r"^\| (gpt-[\w.-]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
IMAGE_MODELS = ("gpt-image-1.5", "gpt-image-2")


def test_the_page_s_table_is_the_price_list_s() -> None:
    prices, used = load_prices(find_configs()), Usage(input_tokens=2300, output_tokens=100, images=1)
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert len(rows) == 3
    for model, *told in rows:
        for image_model, usd in zip(IMAGE_MODELS, told, strict=True):
            tools = ({**stage_call().tools[0], "model": image_model, "quality": "low"},)
            computed = price_of(used, stage_call(model=model, tools=tools), prices)
            assert float(usd) == pytest.approx(computed, abs=0.00006), (model, image_model)
