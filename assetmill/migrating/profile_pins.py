"""The pins of a profile: whether its file decides them, and the file with others. Comments and order stay."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from assetmill.settings import Settings, config_file

_KEYS = ("model", "image_model", "image_deployment")


def profile_file(settings: Settings, root: Path) -> Path | None:
    """Return a profile's file if it is the project's own and decides the models; None where others do.

    A variable of the environment goes before the file, and the installation's files are nobody's to change.
    """
    path = config_file(settings.configs, "profiles") / f"{settings.profile}.toml"
    if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return None
    written = tomllib.loads(path.read_text(encoding="utf-8")).get("foundry", {})
    foundry = settings.foundry
    is_its_own = all(written.get(key, getattr(foundry, key)) == getattr(foundry, key) for key in _KEYS)
    return path if is_its_own else None


def with_pins(settings: Settings, pins: Mapping[str, str]) -> Settings:
    """Return the settings as they will be."""
    return settings.model_copy(update={"foundry": settings.foundry.model_copy(update=dict(pins))})


def profile_text(settings: Settings, pins: Mapping[str, str]) -> tuple[Path, bytes, bytes]:
    """Return a profile's file, what it says, and what it is to say."""
    import tomlkit

    path = config_file(settings.configs, "profiles") / f"{settings.profile}.toml"
    before = path.read_bytes()
    document = tomlkit.parse(before.decode("utf-8"))
    if "foundry" not in document:
        document["foundry"] = tomlkit.table()
    cast("dict[str, Any]", document["foundry"]).update(pins)
    return path, before, tomlkit.dumps(document).encode()
