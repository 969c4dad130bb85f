from __future__ import annotations

import json
from pathlib import Path

from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.millworks import run_here


def test_a_store_is_copied_and_the_copy_is_worked_with(
    assetmill: Terminal, services: Services, tmp_path: Path
) -> None:
    run_here(services, "chain")
    source, target = services.settings.store_url, f"file:{tmp_path / 'copy'}"
    assert assetmill("store", "copy", source, target, "--json") == 0
    told = json.loads(assetmill.out)
    assert told["copied"] > 0
    assert told["differing"] == []
    assert assetmill("store", "copy", source, target) == 0
    assert assetmill.out.startswith("0 objects copied")


def test_an_empty_store_is_not_copied(assetmill: Terminal, services: Services, tmp_path: Path) -> None:
    assert assetmill("store", "copy", f"file:{tmp_path / 'nothing'}", f"file:{tmp_path / 'copy'}") == 2
    assert "is empty: is that its address?" in assetmill.err
