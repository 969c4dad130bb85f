"""Runs that a page starts: each is `assetmill run` in a process of its own, which goes on without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from assetmill.private import make_folder, open_private, write_private
from assetmill.settings import Settings

_NOTHING_USD = 0.000001
Begin = Callable[[str, Mapping[str, Any], float], None]


def begin_here(settings: Settings) -> Begin:
    """Return how to begin a run of a profile under a ceiling; what it says is kept in the home."""

    def begin(pipeline: str, parameters: Mapping[str, Any], most_usd: float) -> None:
        folder = make_folder(settings.home / "gallery" / "runs")
        name = uuid.uuid4().hex
        # In a file: a command line can be read by everybody on this machine.
        given = folder / f"{name}.json"
        write_private(given, json.dumps(dict(parameters)).encode())
        # What was to cost nothing must not begin to: a ceiling of nothing would be none.
        budget = repr(max(most_usd, _NOTHING_USD))
        order = ["run", pipeline, "--params", str(given), "--budget", budget]
        command = [sys.executable, "-m", "assetmill.cli.main", *order]
        where = {
            "ASSETMILL_HOME": str(settings.home),
            "ASSETMILL_CONFIGS": str(settings.configs),
            "ASSETMILL_PROFILE": settings.profile,
        }
        with open_private(folder / f"{name}.log", "w") as log:
            # The pipeline is one that there is by that name, and nothing goes through a shell.
            subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | where,
            )

    return begin
