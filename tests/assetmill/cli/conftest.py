"""A terminal, and services whose home and configs the commands find in the environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.services import Services
from assetmill.store.opening import open_store
from tests.assetmill.cli.terminal import Terminal
from tests.millworks import CHAIN, painter, services_on, settings_in


@pytest.fixture
def assetmill(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture
def pipelines() -> dict[str, str]:
    """The pipelines in the configs, by name; a file of tests may have others."""
    return {"chain": CHAIN}


@pytest.fixture
def services(
    pipelines: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Services]:
    settings = settings_in(tmp_path, **pipelines)
    monkeypatch.setenv("ASSETMILL_HOME", str(settings.home))
    monkeypatch.setenv("ASSETMILL_CONFIGS", str(settings.configs))
    services = services_on(settings, open_store(settings.store_url), painter())
    yield services
    services.close()
