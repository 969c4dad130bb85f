"""A function of one's own that is asked to run in a sandbox reaches its inputs and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import CannotMake
from assetmill.making import confining
from assetmill.making.carrying_out import carry_out
from assetmill.spec.making import MakeSpec

TRIES = """
import json, os, pathlib, socket

def tries(data: bytes) -> bytes:
    told: dict[str, Any] = {"given": data.decode(), "variables": sorted(os.environ.keys() & {"SECRET"})}
    for name, reach in (
        ("secret", lambda: pathlib.Path(SECRET).read_text()),
        ("network", lambda: socket.create_connection(("127.0.0.1", 9), 1)),
    ):
        try:
            told[name] = str(reach())
        except OSError:
            told[name] = "refused"
    return json.dumps(told).encode()

def fails(data: bytes) -> bytes:
    raise ValueError("no such thing")
"""


def _made(folder: Path, name: str) -> Any:
    spec = MakeSpec.model_validate(
        {"from": ["words.txt"], "python": f"own_tries:{name}", "sandbox": True, "save": "told.json"}
    )
    (made,) = carry_out([spec.bound({"words.txt": ["words.txt"]})], lambda _: b"hello", folder)
    return json.loads(made.data)


@pytest.mark.timeout(120)
def test_a_confined_function_reads_its_inputs_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.txt").write_text("42")
    monkeypatch.setenv("SECRET", "42")
    (tmp_path / "own_tries.py").write_text(f"SECRET = {str(tmp_path / 'secret.txt')!r}\n{TRIES}")
    told: dict[str, Any] = {"given": "hello", "variables": [], "secret": "refused", "network": "refused"}
    assert _made(tmp_path, "tries") == told
    with pytest.raises(
        CannotMake, match=r"told\.json: own_tries:fails failed in the sandbox: .*no such thing"
    ):
        _made(tmp_path, "fails")


def test_nothing_runs_where_no_sandbox_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_tries.py").write_text(TRIES)
    monkeypatch.setattr(confining, "SANDBOX_MODULE", "no_such_module_at_all")
    with pytest.raises(CannotMake, match=r"none is installed: pip install 'assetmill\[local\]'"):
        _made(tmp_path, "tries")
    with pytest.raises(ValueError, match="sandbox is for a function of your own"):
        MakeSpec.model_validate({"from": ["x"], "sandbox": True, "save": "a.png"})
