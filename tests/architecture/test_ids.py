"""A test has the same ID in every process: else one that collects a second later ends the whole run."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

CHANGING = {
    *(
        "this_owner",
        "getpid",
        "gethostname",
        "uuid1",
        "uuid4",
        "time",
        "time_ns",
        "monotonic",
        "now",
        "today",
    ),
    *("utcnow", "urandom", "token_hex", "token_bytes", "mkdtemp", "make_run_id"),
}
"""What returns something else in each process, or a moment later."""

HOUSES = Path(__file__).parents[2] / "tests", Path(__file__).parents[2] / "emulator" / "tests"
TESTS = """
import os

import pytest


@pytest.mark.parametrize("made", [os.urandom(200), os.urandom(200).hex(), "short"])
def test_something(made):
    assert made
"""


@pytest.mark.timeout(90)
@pytest.mark.parametrize("house", HOUSES, ids=("assetmill", "emulator"))
def test_a_long_value_is_no_part_of_an_id(house: Path, tmp_path: Path) -> None:
    (tmp_path / "test_made.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text((house / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    found = [line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert found == [f"test_something[{name}]" for name in ("made0", "made1", "short")]


def changing(tree: ast.AST, known: set[str]) -> bool:
    """Whether an expression holds what is made anew, or a name of such."""
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        name = (
            called.attr
            if isinstance(called, ast.Attribute)
            else called.id
            if isinstance(called, ast.Name)
            else ""
        )
        if name in CHANGING or (isinstance(node, ast.Name) and node.id in known):
            return True
    return False


def unnamed(source: str) -> list[int]:
    """Return the lines of `parametrize` with values made anew and no `ids`."""
    tree, known = ast.parse(source), set[str]()
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and changing(statement.value, known):
            known |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "parametrize"
        if not any(keyword.arg == "ids" for keyword in call.keywords)
        if any(changing(value, known) for value in call.args[1:])
    ]


def test_values_made_anew_have_names_of_their_own() -> None:
    found = {
        f"{path.relative_to(HOUSES[0].parent)}:{line}"
        for house in HOUSES
        for path in house.rglob("test_*.py")
        for line in unnamed(path.read_text())
    }
    assert not found, f"give these `ids`: their values are others in each process: {sorted(found)}"


def test_a_value_made_anew_is_found() -> None:
    made = "OWNER = this_owner() + ':1'\n@pytest.mark.parametrize('owner', [{}])\ndef test(owner): ...\n"
    assert unnamed(made.format("OWNER")) == unnamed(made.format("uuid.uuid4().hex")) == [2]
    assert unnamed(made.format("'here'")) == []
