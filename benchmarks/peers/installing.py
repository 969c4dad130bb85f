"""Which peers there are, and where each is installed: an environment of its own with pinned versions."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).with_name("programs")
_SDKS = ("azure-ai-projects", "openai", "azure-core")
"""What the stage itself calls, in the versions with which assetmill is measured beside."""


@dataclass(frozen=True)
class Peer:
    """One row of `peers.toml`."""

    name: str
    about: str
    program: str = ""
    packages: Sequence[str] = ()
    server: str = ""
    ours: str = ""
    """The word of our command line, where the peer is assetmill itself."""
    is_asked_for: str = ""
    """Why it is measured only when it is named."""

    @property
    def version(self) -> str:
        """Return the pinned version, empty where there is nothing to install."""
        return self.packages[0].partition("==")[2] if self.packages else ""

    @property
    def environment(self) -> str:
        """Return the name of its environment: peers with the same packages share one."""
        return "-".join(package.partition("==")[0] for package in self.packages) or "plain"


class NotInstalled(Exception):
    """The packages of a peer could not be installed; the message is the installer's own."""


def load() -> list[Peer]:
    """Return all peers, in the order of the file."""
    with Path(__file__).with_name("peers.toml").open("rb") as file:
        rows: list[dict[str, Any]] = tomllib.load(file)["peer"]
    return [Peer(**row) for row in rows]


def chosen(peers: list[Peer], names: list[str]) -> list[Peer]:
    """Return the peers that have one of these in their name; without names all that need not be asked for."""
    if not names:
        return [peer for peer in peers if not peer.is_asked_for]
    return [peer for peer in peers if any(name in peer.name for name in names)]


def install(peer: Peer, environments: Path) -> Path:
    """Install a peer, unless an earlier call has, and return the folder of its commands.

    Raises:
        NotInstalled: no such version, or no index that has it.
    """
    if peer.ours:
        return Path(sys.executable).parent
    folder = environments / peer.environment
    installed = folder / "installed.txt"
    wanted = [*(f"{name}=={version(name)}" for name in _SDKS), *peer.packages]
    if not installed.exists() or installed.read_text("utf-8").split() != wanted:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        python = str(folder / "bin" / "python")
        quiet = ["-qq", "--disable-pip-version-check", "--no-compile"]
        _run([python, "-m", "pip", "install", *quiet, *wanted])
        installed.write_text("\n".join(wanted), "utf-8")
    return folder / "bin"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing said"]
        raise NotInstalled(f"{Path(command[0]).name} ended with {done.returncode}: {said[-1]}")
