"""Programs that we start know what they need, and none of the secrets that we were given."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from assetmill.agents.computer import Browser, Display
from assetmill.checks.lettering import check_text
from assetmill.children import child_environment
from assetmill.errors import AssetmillError
from assetmill.local import detached
from assetmill.local.detached import Service, Starting
from assetmill.locking.history import file_at
from assetmill.spec.output_checks import TextCheck
from tests.assetmill.checks.pictures import specimen
from tests.doubles import png

CANARY = "canary-5d0e"
SECRETS = (
    "AWS_SECRET_ACCESS_KEY",
    "AZURE_CLIENT_SECRET",
    "DOCS_KEY",
    "PREFECT_API_KEY",
    "ASSETMILL_ENDPOINT",
)
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, CANARY)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Callable[[], str]]:
    """Put a program on the PATH that writes down what it knows; what it makes returns that."""

    def make(name: str) -> Callable[[], str]:
        told, path = tmp_path / f"{name}.environ", tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n/usr/bin/env > {told}\nexit 1\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
        return told.read_text

    return make


def check(told: str) -> None:
    assert "PATH=" in told
    assert CANARY not in told


def test_git_knows_no_secret(program: Callable[[str], Callable[[], str]], tmp_path: Path) -> None:
    told = program("git")
    file_at(tmp_path, "HEAD", "assets.lock")
    check(told())


def test_tesseract_knows_no_secret(program: Callable[[str], Callable[[], str]]) -> None:
    told = program("tesseract")
    wanted = TextCheck.model_validate({"contains": ["lamp"]})
    result = check_text(specimen(png(64, 64)), wanted)
    assert result.state == "not_checked"
    check(told())


def test_the_browser_knows_no_secret(program: Callable[[str], Callable[[], str]], tmp_path: Path) -> None:
    told = program("chromium")
    with pytest.raises(AssetmillError, match="cannot start"):
        Browser(Display("http://localhost/", ("localhost",), 640, 480), str(tmp_path / "bin" / "chromium"))
    check(told())


def test_a_service_that_stays_knows_no_secret(tmp_path: Path) -> None:
    arguments, pythonpath = (str(tmp_path), "0"), {"PYTHONPATH": str(ROOT)}
    service = Service(
        "the sleeper", tmp_path, "tests.assetmill.local.sleeper", arguments, lambda _: True, pythonpath
    )
    ready = Starting(service).wait()
    try:
        told = Path(f"/proc/{ready['pid']}/environ").read_text()
    finally:
        detached.stop(service)
    check(told)


def test_what_a_program_needs_it_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("PREFECT_SERVER_UI_ENABLED", "false")
    told = child_environment({"MORE": "1"}, beginnings=("PREFECT_SERVER_",))
    assert told["LC_ALL"] == "C.UTF-8"
    assert (told["MORE"], told["PREFECT_SERVER_UI_ENABLED"]) == ("1", "false")
    assert "PREFECT_API_KEY" not in told
