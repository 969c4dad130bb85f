"""Runs the vendor's own tests live, with a thin stand-in for its recording helper."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foundry_emulator.vendor_scope import vendor_scope

from benchmarks.vendor.emulator import Running

STAND_IN = Path(__file__).with_name("stand_in")
SUITES = (
    "agents/test_*.py",
    "agents/tools/**/test_*.py",
    "deployments/test_*.py",
    "files/test_*.py",
    "responses/test_*.py",
)


@dataclass(frozen=True)
class Outcome:
    """How many tests passed and failed; one that skips itself without a listed reason has failed."""

    passed: int
    failed: int


def run_tests(sdist: Path, scratch: Path, running: Running, wanted: Sequence[str]) -> Outcome:
    """Run the tests of the scope in a pytest of their own, and print a line for each."""
    tests, results = sdist / "tests", scratch / "results.json"
    own = {
        "AZURE_TEST_RUN_LIVE": "true",
        "PYTHONPATH": str(STAND_IN),
        "STAND_IN_RESULTS": str(results),
        "STAND_IN_SKIPS": json.dumps(dict(vendor_scope().tests)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(scratch),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "stand_in_plugin", "-p", "no:cacheprovider"]
    plain = [
        "-W",
        "ignore",
        "-c",
        "/dev/null",
        "--rootdir",
        str(tests),
        "--tb=short",
        "--no-header",
        "-n",
        "0",
    ]
    only = ["-k", " or ".join(wanted)] if wanted else []
    subprocess.run(
        [*command, *plain, *only, *suites(tests)], cwd=tests, env={**running.environment, **own}, check=False
    )
    read: dict[str, int] = json.loads(results.read_text("utf-8")) if results.exists() else {}
    return Outcome(read.get("passed", 0), read.get("failed", 1))


def suites(tests: Path) -> list[str]:
    """Return the test files of the scope that are not left out as a whole."""
    left_out = vendor_scope().tests
    found = sorted({path for pattern in SUITES for path in tests.glob(pattern)})
    names = [path.relative_to(tests).as_posix() for path in found]
    return [name for name in names if name.removesuffix(".py").removesuffix("_async") not in left_out]
