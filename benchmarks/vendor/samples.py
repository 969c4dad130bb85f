"""Runs the vendor's sample scripts and judges them by what they said and wrote."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from foundry_emulator.vendor_scope import vendor_scope
from PIL import Image, UnidentifiedImageError

from benchmarks.vendor.emulator import Running
from benchmarks.vendor.expected import ALARMS, Expected, expected_of

FOLDERS = ("agents", "agents/tools", "files", "deployments", "responses")
AT_ONCE = 2
LIMIT_S = 240.0
_MOST_SHOWN = 2500


@dataclass(frozen=True)
class SampleResult:
    """How one script went."""

    name: str
    problem: str
    """Empty where it passed."""
    seconds: float
    output: str = ""

    def line(self) -> str:
        """Return the one line that says so."""
        said = f"FAILED  {self.problem}" if self.problem else "passed"
        return f"{self.seconds:6.1f} s  {self.name}  {said}"


def published(samples: Path) -> list[str]:
    """Return the names of all samples in the folders of the scope, such as `agents/sample_agent_basic`."""
    found = [path for folder in FOLDERS for path in sorted((samples / folder).glob("sample_*.py"))]
    return [path.relative_to(samples).with_suffix("").as_posix() for path in found]


def run_samples(
    sdist: Path, scratch: Path, running: Running, wanted: Sequence[str]
) -> Iterator[SampleResult]:
    """Run all samples of the scope whose name contains one of `wanted`, or all, two at a time."""
    skipped = vendor_scope().samples
    names = [name for name in published(sdist / "samples") if name.removesuffix("_async") not in skipped]
    chosen = [name for name in names if not wanted or any(part in name for part in wanted)]

    def run(name: str) -> SampleResult:
        return run_sample(sdist / "samples", name, scratch, running.environment)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(run, chosen)


def run_sample(samples: Path, name: str, scratch: Path, environment: Mapping[str, str]) -> SampleResult:
    """Run one sample in its own temporary folder, with an agent of its own."""
    expected = expected_of(name)
    if expected is None:
        return SampleResult(name, "neither expected nor listed as skipped", 0.0)
    label = name.rpartition("sample_")[2].replace("_", "-")
    folder = scratch / label
    folder.mkdir()
    own = {"TMPDIR": str(folder), "FOUNDRY_AGENT_NAME": label, "MCP_PROJECT_CONNECTION_ID": "stand-in"}
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, str(samples / f"{name}.py")],
            env={**environment, **own},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return SampleResult(name, f"did not end in {LIMIT_S:.0f} s", LIMIT_S)
    problem = _problem(done.returncode, done.stdout, expected, folder)
    return SampleResult(
        name, problem, time.monotonic() - begun, done.stdout[-_MOST_SHOWN:] if problem else ""
    )


def _problem(code: int, output: str, expected: Expected, folder: Path) -> str:
    said = output.lower()
    if code:
        return f"exit code {code}"
    alarms = [alarm for alarm in ALARMS if alarm.lower() in said]
    missing = [word for word in expected.words if word.lower() not in said]
    unwritten = [pattern for pattern in expected.files if not _written(folder, pattern)]
    if alarms:
        return f"said {alarms[0]!r}"
    if missing:
        return f"did not say {missing[0]!r}"
    return f"wrote no good {unwritten[0]}" if unwritten else ""


def _written(folder: Path, pattern: str) -> bool:
    found = [path for path in folder.glob(pattern) if path.stat().st_size]
    return bool(found) and all(_opens(path) for path in found)


def _opens(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            picture.load()
    except (UnidentifiedImageError, OSError):
        return False
    return True
