"""How a running emulator is reached, as it tells in a file of its own: read without importing an SDK."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from assetmill.errors import InvalidSettings

READY_FILE = "ready.json"
"""Where the emulator says how it can be reached, under the profile's emulator home."""


class ReadyFile(BaseModel):
    """What a running emulator tells of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint: str
    ca: str
    identity_endpoint: str
    identity_header: str
    control: str
    token: str = ""
    """Bearer token of the control API."""


def read_ready_file(path: Path) -> ReadyFile:
    """Return how to reach the emulator.

    Raises:
        InvalidSettings: no emulator has written that file.
    """
    try:
        return ReadyFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidSettings(
            f"no emulator runs here ({path}): start it with `assetmill emulator serve`"
        ) from error
