"""How runs end: limits, errors, and nothing left alive."""

from __future__ import annotations

import fcntl
import io
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from foundry_emulator.interpreter.code import CodeOutcome, Sandbox

pytestmark = pytest.mark.server


def test_endless_program_is_stopped_with_its_children(sandbox: Sandbox, data: Path) -> None:
    (data / "lock").touch()
    code = """
import fcntl, os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        lock = open('/mnt/data/lock')
        fcntl.flock(lock, fcntl.LOCK_EX)
        print('locked', flush=True)
        time.sleep(60)
    os._exit(0)
time.sleep(60)
"""
    start = time.monotonic()
    outcome = sandbox.run(code, data, 1)
    assert outcome == CodeOutcome("locked\n", error="timed out after 1 s")
    assert time.monotonic() - start < 5
    with (data / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_children_left_behind_die_with_the_program(sandbox: Sandbox, data: Path) -> None:
    (data / "lock").touch()
    code = """
import fcntl, os, time
lock = open('/mnt/data/lock')
fcntl.flock(lock, fcntl.LOCK_EX)
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
"""
    assert sandbox.run(code, data, 10).error is None
    with (data / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_program_dies_with_the_emulator(sandbox: Sandbox, data: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    script = f"""
import pathlib, sys
from foundry_emulator.interpreter.sandbox.cage import Cage
Cage({sandbox.tier!r}, {shutil.which("bwrap")!r}).run('''
import fcntl, time
lock = open("/mnt/data/lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
open("/mnt/data/started", "w")
time.sleep(60)
''', pathlib.Path({str(data)!r}))
"""
    with subprocess.Popen([sys.executable, "-c", script], env={"TMPDIR": str(scratch)}) as emulator:
        wait_for((data / "started").exists)
        emulator.kill()
    with (data / "lock").open() as lock:
        wait_for(partial(is_free, lock))
    wait_for(lambda: not list(scratch.iterdir()))


def is_free(lock: io.TextIOWrapper) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for(condition: object, timeout_s: float = 10) -> None:
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_fork_bomb_ends(sandbox: Sandbox, data: Path) -> None:
    start = time.monotonic()
    outcome = sandbox.run("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", data, 1)
    assert outcome.error == "timed out after 1 s"
    assert time.monotonic() - start < 6


def test_memory_limit_is_named(sandbox: Sandbox, data: Path) -> None:
    outcome = sandbox.run("import numpy\nnumpy.ones(1 << 30)", data)
    assert outcome.error is not None
    assert outcome.error.startswith("killed: memory limit (")


def test_disk_limit_counts_all_files(sandbox: Sandbox, data: Path) -> None:
    code = """
import time
for number in range(10):
    open(f'/tmp/{number}', 'wb').write(bytes(50 << 20))
time.sleep(9)
"""
    assert sandbox.run(code, data).error == "killed: disk limit of 256 MiB"


def test_flood_of_files_is_stopped(sandbox: Sandbox, data: Path) -> None:
    code = "import time\nfor n in range(2500): open(f'/tmp/{n}', 'w').close()\ntime.sleep(9)"
    assert sandbox.run(code, data).error == "killed: limit of 2000 files"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("open('a\\0b')", "ValueError: embedded null byte"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import sys; sys.exit()", None),
        ("import os; os._exit(7)", "the program ended itself with exit code 7"),
        ("import os; os.abort()", "killed: signal SIGABRT"),
        ("import os, signal; signal.raise_signal(signal.SIGXCPU)", "killed: CPU limit of 30 s"),
        ("raise type('Odd', (Exception,), {'__str__': lambda s: 1 / 0})", "Odd: <exception str() failed>"),
        ("import sys; sys.stdout.close(); 1 / 0", "ZeroDivisionError: division by zero"),
        ("import os; os.closerange(0, 99); 1 / 0", "the program ended itself with exit code 0"),
        (
            "open('/mnt/data/none')",
            "FileNotFoundError: [Errno 2] No such file or directory: '/mnt/data/none'",
        ),
        ("raise ValueError('\\ud800')", "ValueError: ?"),
        ("raise ValueError('x' * 10**6)", "ValueError: " + "x" * 1988),
    ],
)
def test_error_is_the_last_line(sandbox: Sandbox, data: Path, code: str, error: str | None) -> None:
    assert sandbox.run(code, data, 10).error == error


@pytest.mark.parametrize(
    "report", ["'[' * 60000", "'[]'", '\'{"error": {}, "displayed": [1, "../x", {}], "signal": "9"}\'']
)
def test_forged_report_harms_nobody_else(sandbox: Sandbox, data: Path, report: str) -> None:
    code = f"""
import os
for fd in range(3, 20):
    try: os.write(fd, ({report}).encode())
    except OSError: pass
"""
    outcome = sandbox.run(code, data, 10)
    assert outcome.files == ()
    assert outcome.displayed == ()


def test_output_is_cut_and_the_program_goes_on(sandbox: Sandbox, data: Path) -> None:
    outcome = sandbox.run("print('x' * (3 << 20))\nopen('/mnt/data/end', 'w').close()", data)
    assert outcome.files == (("end", b""),)
    assert len(outcome.logs) == (1 << 20) + len("\n[output cut at 1 MiB]\n")
