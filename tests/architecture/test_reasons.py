"""What swallows any error, or waits by the clock, says beside it why nothing narrower would do."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("assetmill", "flows", "tasks")
SUSPECT = re.compile(r"except (Base)?Exception|except:|time\.sleep\(")


def unexplained(source: str) -> Iterator[int]:
    """Yield the lines of broad handlers that do not raise again, and of sleeps, that have no comment."""
    if not SUSPECT.search(source):
        return
    commented = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _is_raised_again(node):
            beside = {node.lineno - 1, node.lineno, node.lineno + 1}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep":
            beside = {node.lineno - 1, node.lineno}
        else:
            continue
        if not commented & beside:
            yield node.lineno


def _is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"}


def _is_raised_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None and not any(map(_ends, ast.walk(handler)))


def _ends(node: ast.AST) -> bool:
    return isinstance(node, ast.Return | ast.Continue | ast.Break)


def test_every_broad_handler_and_every_sleep_has_a_reason_beside_it() -> None:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(files) > 100
    found = [f"{path.relative_to(ROOT)}:{line}" for path in files for line in unexplained(path.read_text())]
    assert found == []


def test_one_without_a_reason_is_found() -> None:
    told = "try:\n    f()\nexcept Exception:\n    # Any: f is a person's.\n    pass\n"
    assert list(unexplained(told)) == []
    assert list(unexplained(told.replace("    # Any: f is a person's.\n", ""))) == [3]
    assert list(unexplained("try:\n    f()\nexcept BaseException:\n    g()\n    raise\n")) == []
    assert list(unexplained("import time\ntime.sleep(1)\n")) == [2]
