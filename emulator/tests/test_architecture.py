"""The house stands: no name is used for two things, and no import leads back to where it came from."""

from __future__ import annotations

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import foundry_emulator

ROOT = Path(foundry_emulator.__file__).parent


def _modules() -> dict[str, ast.Module]:
    found: dict[str, ast.Module] = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def test_no_class_name_stands_for_two_things() -> None:
    names = Counter(
        node.name for tree in _modules().values() for node in tree.body if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_no_import_leads_back_even_inside_functions_or_for_types_alone() -> None:
    modules = _modules()
    graph: dict[str, set[str]] = {}
    for name, tree in modules.items():
        found = graph.setdefault(name, set())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                whole = {f"{node.module}.{alias.name}" for alias in node.names} & modules.keys()
                found |= whole or ({node.module} & modules.keys())
    assert sum(len(found) for found in graph.values()) > 300
    TopologicalSorter(graph).prepare()
