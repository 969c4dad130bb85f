"""What a style kit says of the whole picture puts no thing into it that nobody asked for."""

from __future__ import annotations

import pytest
from foundry_emulator.painter import brief

from assetmill.spec.styles import compose, load_style, style_names
from tests.pages import ROOT

CONFIGS = ROOT / "configs"


@pytest.mark.parametrize("name", style_names(CONFIGS))
@pytest.mark.parametrize("thing", ["fox", "lighthouse", "zorblax"])
def test_a_kit_adds_nothing_to_what_is_drawn(name: str, thing: str) -> None:
    asked = f"Draw a {thing}."
    styled = brief.read(compose(asked, [load_style(name, CONFIGS)]))
    assert [one.subject for one in styled.wanted] == [one.subject for one in brief.read(asked).wanted]
