"""The fixtures that other projects get, and that projects which use none of them notice nothing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
PLUGIN = "foundry_emulator.testing.plugin"


Run = Callable[[str], pytest.RunResult]


@pytest.fixture
def run_inside(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    # Whether it is found by itself depends on the environment; here it is loaded once in any case.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))

    def run(code: str) -> pytest.RunResult:
        pytester.makepyfile(textwrap.dedent(code))
        return pytester.runpytest_subprocess("-p", PLUGIN, "-q")

    return run


@pytest.mark.server
@pytest.mark.timeout(90)
def test_one_project_is_each_tests_own_and_the_other_is_emptied(run_inside: Run) -> None:
    result = run_inside(
        """
        seen = []

        def ask(project):
            assert project.bill == []
            client = project.openai_client(max_retries=0)
            client.responses.create(model="gpt-4.1", input="Say hello")
            assert len(project.bill) == 1
            seen.append(project.endpoint)

        def test_own(foundry_emulator):
            ask(foundry_emulator)

        def test_own_again(foundry_emulator):
            ask(foundry_emulator)

        def test_shared(shared_foundry_emulator):
            ask(shared_foundry_emulator)

        def test_shared_again(shared_foundry_emulator):
            ask(shared_foundry_emulator)
            assert len(set(seen)) == 3
        """,
    )
    result.assert_outcomes(passed=4)


@pytest.mark.server
@pytest.mark.timeout(90)
def test_clock_faults_and_expiry_are_at_hand(run_inside: Run) -> None:
    result = run_inside(
        """
        import openai, pytest

        def test_all(foundry_emulator):
            client = foundry_emulator.openai_client(max_retries=0)
            made = client.containers.create(name="work")
            now = foundry_emulator.clock.advance(5)
            assert foundry_emulator.clock.advance(86_400) >= now + 86_400
            with pytest.raises(openai.BadRequestError, match="expired"):
                client.containers.retrieve(made.id)
            assert foundry_emulator.expire("files") == {"files": 0}
            foundry_emulator.faults.plan({"op": "files.list", "fault": "error_before", "status": 503})
            with pytest.raises(openai.InternalServerError):
                client.files.list()
            assert foundry_emulator.faults.struck() == {"error_before": 1}
            foundry_emulator.faults.clear()
            assert list(client.files.list()) == []
            assert foundry_emulator.settings(flavour="openai")["flavour"] == "openai"
            assert "FOUNDRY_PROJECT_ENDPOINT" in foundry_emulator.environment
        """,
    )
    result.assert_outcomes(passed=1)


def test_loading_it_imports_nothing_but_pytest() -> None:
    heavy = (
        "starlette",
        "uvicorn",
        "openai",
        "azure",
        "httpx2",
        "numpy",
        "matplotlib",
        "foundry_emulator.server",
    )
    code = f"import pytest, sys, {PLUGIN}\nprint([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_entry_point_leads_to_it() -> None:
    told = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    for group in ("pytest11",):
        for name, value in told["project"]["entry-points"][group].items():
            assert EntryPoint(name, value, group).load().__name__ == PLUGIN
    for name, value in told["project"]["scripts"].items():
        assert callable(EntryPoint(name, value, "console_scripts").load())
