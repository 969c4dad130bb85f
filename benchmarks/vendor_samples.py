"""Run the vendor's published samples, or with `--tests` its own tests, unmodified against the emulator.

    pip download --no-binary :all: --no-deps azure-ai-projects==2.10.0
    tar xf azure_ai_projects-2.10.0.tar.gz
    python -m benchmarks.vendor_samples --sdist azure_ai_projects-2.10.0 [--tests] [part of a name ...]

Nothing of the vendor's is copied here, and nothing leaves this machine. What is left out stands with its
reason in the emulator's COVERAGE.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.vendor.emulator import Running, started
from benchmarks.vendor.mcp_stand_in import serving
from benchmarks.vendor.package_tests import run_tests
from benchmarks.vendor.samples import run_samples


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sdist", type=Path, required=True, help="unpacked source distribution")
    parser.add_argument("--tests", action="store_true", help="the package's own tests instead of its samples")
    parser.add_argument("names", nargs="*", help="only what has one of these in its name")
    options = parser.parse_args()
    sdist = options.sdist.resolve()
    if not (sdist / "samples").is_dir() or not (sdist / "tests").is_dir():
        parser.error(f"{options.sdist} has no samples and tests: unpack the source distribution there")
    run = _tests if options.tests else _samples
    with (
        tempfile.TemporaryDirectory() as scratch,
        serving() as routes,
        started(Path(scratch) / "emulator") as running,
    ):
        running.control_call("POST", "/settings", {"mcp_routes": routes})
        return run(sdist, Path(scratch), running, options.names)


def _samples(sdist: Path, scratch: Path, running: Running, names: list[str]) -> int:
    failed = passed = 0
    for verdict in run_samples(sdist, scratch, running, names):
        print(verdict.line(), flush=True)
        if verdict.problem:
            print(verdict.output, flush=True)
        failed, passed = failed + bool(verdict.problem), passed + (not verdict.problem)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def _tests(sdist: Path, scratch: Path, running: Running, names: list[str]) -> int:
    outcome = run_tests(sdist, scratch, running, names)
    print(f"{outcome.passed} passed, {outcome.failed} failed")
    return 1 if outcome.failed or not outcome.passed else 0


if __name__ == "__main__":
    sys.exit(main())
