"""A terminal, services whose home and configs commands find in the environment, and a tree with a lock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.stage.services import Services
from assetmill.store.opening import open_store
from tests.assetmill.cli.terminal import Terminal
from tests.lockyard import FOLDER, Yard, copied, git, grow
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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    yard = grow(tmp_path_factory.mktemp("yard"))
    yard.make()
    git(yard.root, "init", "-q")
    return yard


@pytest.fixture
def yard(made: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    yard = copied(made, tmp_path)
    monkeypatch.chdir(yard.root)
    monkeypatch.setenv("ASSETMILL_HOME", str(yard.settings.home))
    return yard


@pytest.fixture
def locked(yard: Yard, assetmill: Terminal) -> Yard:
    """A tree that is locked, synced and committed."""
    assert assetmill("lock", "posters", "--out", FOLDER) == 0, assetmill.err
    assert assetmill("sync") == 0, assetmill.err
    git(yard.root, "add", "-A")
    git(yard.root, "commit", "-q", "-m", "posters")
    return yard
