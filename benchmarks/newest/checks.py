"""What is run in each world, in an environment of its own that is thrown away."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.newest.versions import World

ROOT = Path(__file__).parents[2]
LIMIT_S = 5400.0
"""What a check may take: real servers take half an hour on two cores that others use as well."""
_TIDYING_S = 120.0
# The Protocols' suites, and what meets the wire: SDKs against the emulator, and the client over them.
CONTRACT = (
    "tests/contract",
    "tests/assetmill/agents",
    "emulator/tests/test_end_to_end.py",
    "emulator/tests/test_wire_types.py",
)
# What Prefect carries out: order, served deployments, signals, and the private parts that we hold on to.
PREFECT = ("tests/flows/test_run_pipeline.py", "tests/deployments", "tests/server")
_FOREIGN = ("ASSETMILL", "PREFECT", "AZURE", "OPENAI", "FOUNDRY", "PYTEST")


@dataclass(frozen=True)
class Verdict:
    """How one check went."""

    is_good: bool
    said: str
    """In a word or two, for the table."""
    output: str = ""


class Environment:
    """A world's packages, installed, with a home of its own."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world
        self.python = folder / "venv" / "bin" / "python"

    def install(self) -> Verdict:
        """Install the project as pinned, then this world's versions over it, whatever the ranges say."""
        self._run([sys.executable, "-m", "venv", str(self.folder / "venv")])
        pip = [str(self.python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile"]
        pinned = ["-c", str(ROOT / "constraints.txt")]
        # The pip that comes with Python may be too old to know groups.
        self._run([*pip, *pinned, "pip"])
        project = [
            "-e",
            str(ROOT / "emulator"),
            "-e",
            f"{ROOT}[local]",
            "--group",
            f"{ROOT / 'pyproject.toml'}:dev",
        ]
        done = self._run([*pip, *pinned, *project])
        if done.is_good and self.world.name != "pinned":
            done = self._run([*pip, *(f"{name}=={version}" for name, version in self.world.versions.items())])
        return Verdict(done.is_good, "installed" if done.is_good else "not installable", done.output)

    def tests(self, *where: str) -> Verdict:
        """Run tests of ours, one at a time: servers are among them."""
        done = self._run([str(self.python), "-m", "pytest", "-q", "-n", "0", *where], ROOT)
        return _counted(done)

    def vendor(self, *more: str) -> Verdict:
        """Run the vendor's samples, or its tests, of the version that this world has."""
        sdist = self._sdist()
        if isinstance(sdist, Verdict):
            return sdist
        command = [str(self.python), "-m", "benchmarks.vendor_samples", "--sdist", str(sdist), *more]
        return _counted(self._run(command, ROOT))

    def demo(self) -> Verdict:
        """Draw the example, as `make demo` does after its installation."""
        assetmill = str(self.python.with_name("assetmill"))
        try:
            done = self._run([assetmill, "run", "product-launch"], ROOT)
        finally:
            self._run([assetmill, "stop"], ROOT)
        return Verdict(done.is_good, "drawn" if done.is_good else "failed", done.output)

    def _sdist(self) -> Path | Verdict:
        version = self.world.versions["azure-ai-projects"]
        folder = self.folder / "sdist"
        unpacked = folder / f"azure_ai_projects-{version}"
        if not unpacked.is_dir():
            pip = [str(self.python), "-m", "pip", "download", "-qq", "--no-binary", ":all:", "--no-deps"]
            done = self._run([*pip, "-d", str(folder), f"azure-ai-projects=={version}"])
            if not done.is_good:
                return Verdict(False, "no source", done.output)
            with tarfile.open(folder / f"{unpacked.name}.tar.gz") as archive:
                archive.extractall(folder, filter="data")
        return unpacked

    def _run(self, command: list[str], where: Path | None = None) -> Verdict:
        own = {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}
        homes = {"ASSETMILL_HOME": str(self.folder / "home"), "PREFECT_HOME": str(self.folder / "prefect")}
        with subprocess.Popen(
            command,
            cwd=where or self.folder,
            env={**own, **homes, "DO_NOT_TRACK": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                return Verdict(False, f"not done in {LIMIT_S:.0f} s", interrupted(process))
        return Verdict(process.returncode == 0, f"exit code {process.returncode}", output)


def interrupted(process: subprocess.Popen[str]) -> str:
    """Stop a program as Ctrl-C does, so that it ends what it started; returns all that it said."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=_TIDYING_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


CHECKS: Mapping[str, Callable[[Environment], Verdict]] = {
    "contract": lambda here: here.tests(*CONTRACT),
    "prefect": lambda here: here.tests(*PREFECT),
    "samples": lambda here: here.vendor(),
    "vendor tests": lambda here: here.vendor("--tests"),
    "demo": Environment.demo,
}


def checked(world: World, folder: Path) -> Iterator[tuple[str, Verdict]]:
    """Install a world and run every check in it; without an installation there is nothing to check."""
    here = Environment(folder, world)
    installed = here.install()
    yield "installation", installed
    if installed.is_good:
        for name, check in CHECKS.items():
            yield name, check(here)


def _counted(done: Verdict) -> Verdict:
    passed, failed = (re.findall(rf"(\d+) {word}", done.output) for word in ("passed", "(?:failed|errors?)"))
    count = f"{passed[-1]} passed" if passed else done.said
    return Verdict(
        done.is_good,
        count + ("" if done.is_good else f", {failed[-1] if failed else '?'} failed"),
        done.output,
    )
