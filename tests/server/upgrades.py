"""Another version of the program beside the one that is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def wheel(folder: Path, *, is_older: bool) -> dict[str, str]:
    """Lay out another version of the program; return what a worker that has it is started with."""
    for package in ("assetmill", "flows", "tasks"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    flow = folder / "flows" / "run_shard.py"
    text = flow.read_text()
    if is_older:
        asked = "    terms: dict[str, str] | None = None,\n"
        assert asked in text
        flow.write_text(text.replace(asked, ""))
    else:
        flow.write_text(f"{text}\n\nNEWER = True\n")
    return {"PYTHONPATH": str(folder)}
