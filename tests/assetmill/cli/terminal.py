"""Commands as a person types them, run in this process."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from assetmill.cli import main
from assetmill.documents.catalog import DOCUMENTS
from assetmill.documents.models import ErrorDocument


def check_document(arguments: tuple[str, ...], printed: str) -> None:
    """Ask that what a command printed is one of its documents, with no field that is not documented."""
    name = " ".join(arguments[:2]) if arguments[0] in {"emulator", "store"} else arguments[0]
    told, problems = json.loads(printed), list[str]()
    for model in (*DOCUMENTS.get(name, ()), ErrorDocument):
        try:
            model.model_validate(told)
        except ValidationError as error:
            problems.append(str(error))
        else:
            return
    raise AssertionError(f"{name}: assetmill.documents says otherwise\n" + "\n".join(problems))


class Terminal:
    """Runs a command and keeps what it printed in `out` and `err`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["assetmill", *arguments])
        code = main.call(list(arguments))
        self.out, self.err = self._capsys.readouterr()
        if "--json" in arguments and self.out:
            check_document(arguments, self.out)
        return code

    def document(self, *arguments: str) -> dict[str, Any]:
        """Return what a command that must succeed prints with `--json`; without one, what came last."""
        if arguments:
            assert self(*arguments, "--json") == 0, self.err
        return json.loads(self.out)
