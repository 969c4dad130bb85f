"""The README's example test and script run as they stand there, with the plugin and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import foundry_emulator
import pytest

README = Path(__file__).parents[1] / "README.md"
PLUGIN = "foundry_emulator.testing.plugin"
pytestmark = pytest.mark.server


def example(name: str) -> str:
    (code,) = re.findall(rf"```python\n# {name}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return code


def run(arguments: list[str], where: Path) -> subprocess.CompletedProcess[str]:
    home = str(Path(foundry_emulator.__file__).parents[1])
    # The plugin is named: an environment without the distribution's metadata would not find it by itself.
    environment = {**os.environ, "PYTHONPATH": home, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.timeout(90)
def test_the_example_test_passes(tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(example("test_example.py"), encoding="utf-8")
    ran = run(["-m", "pytest", "-q", "-p", PLUGIN, "-W", "error"], tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


@pytest.mark.timeout(90)
def test_the_example_script_prints_an_answer_and_its_bill(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(example("script.py"), encoding="utf-8")
    ran = run(["script.py"], tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "'kind': 'tokens'" in ran.stdout
