"""A program from outside runs in the sandbox with its files, and comes back with what it made."""

from __future__ import annotations

import base64
import io
import json
from types import SimpleNamespace

import pytest
from foundry_emulator.commands import main


def _asked(monkeypatch: pytest.MonkeyPatch, text: str) -> int:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    return main(["run-code"])


@pytest.mark.timeout(60)
def test_a_program_reads_its_files_and_gives_back_what_it_wrote(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import part.words\nopen('out.txt', 'w').write(part.words.SAID + open('in.txt').read())\n"
    files = {"in.txt": b"there", "part/words.py": b"SAID = 'hello '\n"}
    named = {name: base64.b64encode(data).decode() for name, data in files.items()}
    assert _asked(monkeypatch, json.dumps({"code": code, "files": named})) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["error"] is None
    assert base64.b64decode(told["files"]["out.txt"]) == b"hello there"


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", "not an errand"), ('{"code": "1", "files": {"../out": ""}}', "no name below /mnt/data")],
)
def test_what_is_no_errand_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    assert _asked(monkeypatch, text) == 2
    assert said in capsys.readouterr().err
