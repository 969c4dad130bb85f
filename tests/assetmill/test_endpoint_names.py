"""An endpoint has one spelling, however a person writes it: what it holds is looked for there."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.errors import InvalidSettings
from assetmill.names import endpoint_name
from assetmill.settings import EMULATOR, load_settings

PLAIN = "https://mill.services.ai.azure.com/api/projects/Night"


@pytest.mark.parametrize(
    "written",
    [
        PLAIN,
        f"{PLAIN}/",
        PLAIN.replace("mill", "Mill"),
        PLAIN.replace("https", "HTTPS"),
        PLAIN.replace(".com", ".com:443"),
    ],
)
def test_a_profile_has_the_plain_spelling(written: str, tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "local.toml").write_text("")
    found = load_settings("local", {"ASSETMILL_CONFIGS": str(tmp_path), "ASSETMILL_ENDPOINT": written})
    assert found.foundry.endpoint == PLAIN


@pytest.mark.parametrize("other", [PLAIN.replace("Night", "Day"), PLAIN.replace(".com", ".com:8443")])
def test_another_project_and_another_port_are_other_endpoints(other: str) -> None:
    assert endpoint_name(other) == other


def test_the_embedded_service_keeps_its_name() -> None:
    assert endpoint_name(EMULATOR) == EMULATOR


def test_what_is_no_address_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "local.toml").write_text("[foundry]\nendpoint = 'https://[half'\n")
    with pytest.raises(InvalidSettings, match=r"foundry\.endpoint"):
        load_settings("local", {"ASSETMILL_CONFIGS": str(tmp_path)})
