"""Which clients there are, and where each is installed: an environment of its own that is thrown away."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PROGRAMS = Path(__file__).with_name("programs")
_PIN = re.compile(r"==[\w.]+$|(?<=.)@[\d.]+$")
"""What follows a package's name; a scope's own `@` stands at its beginning."""
_SAY_VERSION = "import importlib.metadata as found, sys; print(found.version(sys.argv[1]))"


@dataclass(frozen=True)
class Client:
    """One row of `clients.toml`."""

    name: str
    runtime: str
    script: str
    packages: tuple[str, ...]
    """The client first, then what else is pinned beside it."""
    programs: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])

    def wanted(self, *, newest: bool) -> list[str]:
        """Return what to install: as pinned, or the newest there is."""
        return [_PIN.sub("", package) for package in self.packages] if newest else list(self.packages)

    @property
    def package(self) -> str:
        """Return the name of the client's own package, without extras and version."""
        return _PIN.sub("", self.packages[0]).partition("[")[0]


@dataclass(frozen=True)
class Installed:
    """A client in its environment, ready to run."""

    command: tuple[str, ...]
    version: str


class NotInstalled(Exception):
    """A client's packages could not be installed; the message is the installer's own."""


def load() -> list[Client]:
    """Return all clients, in the order of the file."""
    with Path(__file__).with_name("clients.toml").open("rb") as file:
        rows: list[dict[str, Any]] = tomllib.load(file)["client"]
    return [Client(**row) for row in rows]


def install(client: Client, folder: Path, *, newest: bool) -> Installed:
    """Install a client and its programs in a new folder.

    Raises:
        NotInstalled: no such version, or an installer that is not there.
    """
    # Beside the packages: Node looks for them from the script's own folder.
    shutil.copytree(_PROGRAMS, folder)
    packages = client.wanted(newest=newest)
    if client.runtime == "node":
        return _install_node(client, folder, packages)
    python = folder / "venv" / "bin" / "python"
    _run([sys.executable, "-m", "venv", str(folder / "venv")], folder)
    quiet = ["-qq", "--disable-pip-version-check", "--no-compile"]
    _run([str(python), "-m", "pip", "install", *quiet, *packages], folder)
    version = _run([str(python), "-c", _SAY_VERSION, client.package], folder).strip()
    return Installed((str(python), client.script), version)


def _install_node(client: Client, folder: Path, packages: list[str]) -> Installed:
    (folder / "package.json").write_text('{"private": true}', "utf-8")
    quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    _run(["npm", "install", *quiet, *packages], folder)
    about = folder / "node_modules" / client.package / "package.json"
    return Installed(("node", client.script), json.loads(about.read_text("utf-8"))["version"])


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotInstalled(f"there is no {command[0]}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing said"]
        raise NotInstalled(f"{Path(command[0]).name} ended with {done.returncode}: {said[-1]}")
    return done.stdout
