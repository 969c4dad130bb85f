"""No module needs itself, however far round: imports inside functions and for types alone count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSES = {
    "product": (ROOT, ("assetmill", "flows", "tasks")),
    "emulator": (ROOT / "emulator", ("foundry_emulator",)),
}


def modules_of(root: Path, packages: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Yield every module of ours that a file names in any import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                yield from (name for name in (deeper, node.module) if name in known)


def circle_in(graph: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the modules of one circle in their order, none when there is no circle."""
    done: set[str] = set()
    for start in graph:
        way: list[str] = []
        stack = [(start, iter(sorted(graph[start])))]
        while stack:
            module, following = stack[-1]
            if module not in way:
                way.append(module)
            for following_module in following:
                if following_module in way:
                    return [*way[way.index(following_module) :], following_module]
                if following_module not in done:
                    stack.append((following_module, iter(sorted(graph[following_module]))))
                    break
            else:
                stack.pop()
                way.pop()
                done.add(module)
    return []


def graph_of(house: str) -> dict[str, frozenset[str]]:
    root, packages = HOUSES[house]
    known = modules_of(root, packages)
    return {name: frozenset(imported(path, known)) - {name} for name, path in known.items()}


@pytest.mark.parametrize("house", HOUSES)
def test_no_module_needs_itself(house: str) -> None:
    graph = graph_of(house)
    assert len(graph) > 100, "nothing was read"
    assert circle_in(graph) == []


def test_a_circle_is_found_where_there_is_one() -> None:
    graph = {"a": frozenset({"b"}), "b": frozenset({"c", "d"}), "c": frozenset({"a"}), "d": frozenset[str]()}
    assert circle_in(graph) == ["a", "b", "c", "a"]


def test_an_import_inside_a_function_counts(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden.py"
    hidden.write_text("def late():\n    from assetmill.spec import checks\n    return checks\n")
    assert list(imported(hidden, {"assetmill.spec.checks": hidden})) == ["assetmill.spec.checks"]


def test_no_class_name_stands_for_two_things() -> None:
    """Private base models may share a name with nobody; the same word in two rooms needs a reason."""
    root, packages = HOUSES["product"]
    seen: dict[str, list[str]] = {}
    for name, path in modules_of(root, packages).items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                seen.setdefault(node.name.lstrip("_"), []).append(name)
    assert {name: where for name, where in seen.items() if len(where) > 1} == {}
