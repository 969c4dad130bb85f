from __future__ import annotations

from pathlib import Path

import pytest

from tests.lockyard import git


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    git(root, "init", "-q")
    return root
