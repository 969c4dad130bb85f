"""Which versions to try: the pinned ones, the newest that the ranges allow, the first that they do not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

PACKAGES = ("azure-ai-projects", "openai", "azure-identity", "prefect")


@dataclass(frozen=True)
class Candidates:
    """The versions of one package that matter."""

    pinned: str
    newest_allowed: str
    first_beyond: str | None
    """The lowest version above the range; None while nobody has published one."""


@dataclass(frozen=True)
class World:
    """Versions that are tried together."""

    name: str
    versions: Mapping[str, str]


def ranges(pyproject: Path) -> dict[str, SpecifierSet]:
    """Return what the project allows of each package."""
    lines: list[str] = tomllib.loads(pyproject.read_text("utf-8"))["project"]["dependencies"]
    found = {requirement.name: requirement.specifier for requirement in map(Requirement, lines)}
    return {name: found[name] for name in PACKAGES}


def pins(constraints: Path) -> dict[str, str]:
    """Return the versions that were tested together."""
    rows = re.findall(r"^([\w.-]+)==(\S+)$", constraints.read_text("utf-8"), re.MULTILINE)
    return {name: version for name, version in rows if name in PACKAGES}


def published(name: str) -> list[str]:
    """Ask the index that pip is set up with for every release of a package."""
    command = [sys.executable, "-m", "pip", "index", "versions", name, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return list(json.loads(done.stdout)["versions"])


def candidates(pinned: str, allowed: SpecifierSet, released: Sequence[str]) -> Candidates:
    """Choose among the released versions of one package; what is still in preview is no candidate."""
    versions = sorted(one for one in map(Version, released) if not one.is_prerelease)
    newest = max(one for one in versions if one in allowed)
    beyond = [one for one in versions if one > newest]
    return Candidates(pinned, str(newest), str(beyond[0]) if beyond else None)


def worlds(found: Mapping[str, Candidates]) -> list[World]:
    """Return what to try, each combination once: pinned, newest allowed, then each first one beyond."""
    allowed = {name: one.newest_allowed for name, one in found.items()}
    tried = [World("pinned", {name: one.pinned for name, one in found.items()})]
    if allowed != tried[0].versions:
        tried.append(World("newest allowed", allowed))
    for name, one in found.items():
        if one.first_beyond:
            version = one.first_beyond
            tried.append(World(f"{name} {version}, not allowed", {**allowed, name: version}))
    return tried
