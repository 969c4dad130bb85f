"""One program from outside the service, run in the sandbox: JSON in, JSON out."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

from foundry_emulator.interpreter.code import Sandbox
from foundry_emulator.interpreter.containers import write_inside
from foundry_emulator.jsons import Json


class UnreadableErrand(Exception):
    """What was given is no errand; the message says what one looks like."""


def run(given: bytes) -> Json:
    """Run `code` with `files` (names to base64) in `/mnt/data`; return tier, logs, error and what it wrote.

    Nothing runs where no sandbox holds: `error` says why.

    Raises:
        UnreadableErrand: it is not JSON of that form, or a name leads out of the directory.
    """
    code, files, timeout_s = _read(given)
    sandbox = Sandbox.open()
    with tempfile.TemporaryDirectory(prefix="errand-") as folder:
        # Others may enter and not list: the prisoner is another user when root asks.
        Path(folder).chmod(0o711)
        work = Path(folder) / "work"
        work.mkdir()
        for name, data in files.items():
            target = work.joinpath(*name.split("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            write_inside(target.parent, target.name, data)
        outcome = sandbox.run(code, work, timeout_s)
    made = {name: base64.b64encode(data).decode() for name, data in outcome.files}
    return {"tier": sandbox.tier, "logs": outcome.logs, "error": outcome.error, "files": made}


def _read(given: bytes) -> tuple[str, dict[str, bytes], float]:
    try:
        errand: Any = json.loads(given)
        files = {str(name): base64.b64decode(data) for name, data in errand.get("files", {}).items()}
        code, timeout_s = str(errand["code"]), float(errand.get("timeout_s", 30))
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        message = f"not an errand ({problem!r}): write JSON with code, files (names to base64), timeout_s"
        raise UnreadableErrand(message) from problem
    for name in files:
        if not all(part not in {"", ".", ".."} for part in name.split("/")):
            raise UnreadableErrand(f"{name!r} is no name below /mnt/data: write it without . and ..")
    return code, files, timeout_s
