"""What the embedded emulator could not draw: it says so beside the wire, where no service would."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from assetmill.agents.ready_file import READY_FILE, read_ready_file
from assetmill.errors import InvalidSettings
from assetmill.local.answering import PROBE_TIMEOUT_S
from assetmill.records import RunManifest
from assetmill.redaction import remember
from assetmill.settings import Settings


def unknown_to_emulator(settings: Settings, manifest: RunManifest) -> tuple[str, ...]:
    """Return the names of what a run's pictures were to show and the embedded emulator does not know.

    Empty for a real service, and where the emulator that drew them is gone.
    """
    drawn = {made.response_id for entry in manifest.stages if entry.record for made in entry.record.made_by}
    if not settings.uses_emulator or not drawn:
        return ()
    notes = _notes(settings)
    return tuple(dict.fromkeys(str(note["name"]) for note in notes if note.get("response_id") in drawn))


def _notes(settings: Settings) -> list[dict[str, Any]]:
    try:
        ready = read_ready_file(settings.emulator_home / READY_FILE)
        remember([ready.token])
        headers = {"Authorization": f"Bearer {ready.token}"}
        # The address is the ready file's: loopback, and never taken from input.
        request = urllib.request.Request(f"{ready.control}/notes", headers=headers)  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=PROBE_TIMEOUT_S) as reply:
            return json.load(reply)["notes"]
    except (InvalidSettings, OSError, ValueError, KeyError):
        # A note is a courtesy: a run that is done does not fail for want of it.
        return []
