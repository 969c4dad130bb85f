"""What decides on a machine what a batch makes: versions, code and files, as digests that can be compared."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from assetmill.fingerprint import canonical, digest
from assetmill.redaction import redact
from assetmill.settings import Settings

_PACKAGES = ("assetmill", "flows", "tasks")
_SHOWN = 12
"""Hex digits of a digest: enough to tell files apart, and short enough for a state's message."""

Facts = dict[str, str]
"""What is there, by its name: versions, `code`, `store`, `profile`, and `configs/FILE` for each file."""


def facts_of(settings: Settings) -> Facts:
    """Return what decides here. Nothing but names, versions and digests is told."""
    return {
        "assetmill": version("assetmill"),
        "code": _code(),
        "python": ".".join(map(str, sys.version_info[:2])),
        "profile": settings.profile,
        "store": redact(settings.store_url),
        **{f"configs/{name}": told for name, told in _files(settings.configs)},
    }


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return what another machine has otherwise, in words, in the order of the names."""
    return list(_differing(ours, theirs))


def _differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*ours, *theirs}):
        here, there = ours.get(name), theirs.get(name)
        if here == there:
            continue
        if here is None or there is None:
            yield f"{name} is {'not there' if there is None else 'there alone'}"
        elif name == "code" or name.startswith("configs/"):
            yield f"{name} is another one"
        else:
            yield f"{name} is {there}, here {here}"


@cache
def _code() -> str:
    found: dict[str, str] = {}
    for package in _PACKAGES:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            root = Path(place)
            for path in root.rglob("*.py"):
                found[f"{package}/{path.relative_to(root)}"] = digest(path.read_bytes())
    return digest(canonical(found)).removeprefix("sha256:")[:_SHOWN]


def _files(configs: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(configs.rglob("*")):
        name = path.relative_to(configs)
        if path.is_file() and not any(part.startswith((".", "__")) for part in name.parts):
            yield name.as_posix(), digest(path.read_bytes()).removeprefix("sha256:")[:_SHOWN]
