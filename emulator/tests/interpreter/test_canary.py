"""How the tier is chosen, and that nothing runs where none holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from foundry_emulator.interpreter.code import CodeOutcome, Sandbox
from foundry_emulator.interpreter.sandbox import canary

pytestmark = pytest.mark.server


def test_refused_when_no_tier_holds(data: Path) -> None:
    """A kernel without Landlock, played by a filter that answers ENOSYS to its first system call."""
    script = f"""
import struct, ctypes, pathlib
from foundry_emulator.interpreter.sandbox.inside import linux
code = b"".join(struct.pack("=HBBI", *step) for step in
    [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7FFF0000)])
class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))
holder = Program(4, code)
linux.prctl(38, 1)
linux.prctl(22, 2, ctypes.addressof(holder))
from foundry_emulator.interpreter.code import Sandbox
sandbox = Sandbox.open(cache=pathlib.Path({str(data)!r}, "verdict"))
print(sandbox.tier, sandbox.run("open('/mnt/data/ran', 'w')", pathlib.Path({str(data)!r})))
print(Sandbox.open(allow_unsafe=True).tier)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, last = done.stdout.splitlines()
    assert first.startswith("refused CodeOutcome(logs='', files=(), error='refused, ")
    assert "this kernel has no Landlock" in first
    assert last == "unsafe"
    assert list(data.iterdir()) == []


@pytest.mark.usefixtures("plain_sandbox")
def test_broken_bubblewrap_leaves_the_other_tier() -> None:
    verdict = canary.probe("/bin/false")
    assert verdict.tier == "landlock"
    assert verdict.reasons[0].startswith("strong: the program ended itself with exit code 1")


def test_verdict_is_remembered_until_conditions_change(tmp_path: Path) -> None:
    verdict = canary.ProbedTier("landlock", None, ("strong: no",))
    cache_file = tmp_path / "new" / "verdict.json"
    canary.remember(cache_file, None, verdict)
    assert canary.remembered(cache_file, None) == verdict
    assert canary.remembered(cache_file, "/usr/bin/bwrap") is None
    cache_file.write_text("[]")
    assert canary.remembered(cache_file, None) is None


def test_refusal_is_not_remembered(tmp_path: Path) -> None:
    canary.remember(tmp_path / "verdict.json", None, canary.ProbedTier("refused", None, ()))
    assert list(tmp_path.iterdir()) == []


def test_open_takes_a_tier_that_holds(tmp_path: Path, data: Path) -> None:
    first = Sandbox.open(cache=tmp_path / "verdict.json")
    again = Sandbox.open(cache=tmp_path / "verdict.json")
    assert first.tier == again.tier
    if first.tier == "refused":
        pytest.skip(str(first.reasons))
    assert again.run("6 * 7", data) == CodeOutcome("42\n")
