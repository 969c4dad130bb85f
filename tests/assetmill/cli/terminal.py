"""Commands as a person types them, run in this process."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from assetmill.cli import main


class Terminal:
    """Runs a command and keeps what it printed in `out` and `err`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["assetmill", *arguments])
        code = main.call(list(arguments))
        self.out, self.err = self._capsys.readouterr()
        return code

    def document(self, *arguments: str) -> dict[str, Any]:
        """Return what a command that must succeed prints with `--json`; without one, what came last."""
        if arguments:
            assert self(*arguments, "--json") == 0, self.err
        return json.loads(self.out)
