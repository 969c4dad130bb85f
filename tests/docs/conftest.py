from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.project import find_configs
from tests.lockyard import git
from tests.pages import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    root = tmp_path / "tree"
    shutil.copytree(find_configs({}), root / "configs")
    (root / ".gitignore").write_text(".assetmill/\n")
    # Three pages are as good as five, and quicker.
    index = root / "configs" / "data" / "docs-index.md"
    index.write_text("\n".join(index.read_text().splitlines()[:-2]) + "\n")
    git(root, "init", "-q")
    shell = Shell(root)
    yield shell
    shell("assetmill stop")
