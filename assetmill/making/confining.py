"""A person's own function in a sandbox: it sees the bytes that it is given, and nothing else of this machine.

The sandbox is the one in which the embedded service runs code that nobody has read, as a program of its own.
Nothing runs where none holds: a function that somebody asked to confine must never run free instead.
"""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assetmill.errors import CannotMake, InvalidInput
from assetmill.making.programs import MOST_SAID, ask
from assetmill.spec.functions import find_function

SANDBOX_MODULE = "foundry_emulator"
LIMIT_S = 60.0
_START_S = 60.0
_MADE = "made.bytes"

_PROGRAM = """
import importlib, pathlib
own = getattr(importlib.import_module({module!r}), {name!r})
made = own(*(pathlib.Path(f"given-{{number}}.bytes").read_bytes() for number in range({count})))
if not isinstance(made, bytes):
    raise SystemExit(f"{name} returned {{type(made).__name__}}, not bytes")
pathlib.Path({made!r}).write_bytes(made)
"""


def call_confined(reference: str, folder: Path, files: Sequence[bytes]) -> bytes:
    """Return what `module:function` makes of some files' bytes, run in the sandbox.

    Of the project it sees the one module, whose source is in the fingerprint, beside installed packages.

    Raises:
        CannotMake: no sandbox holds here, it failed, or it made nothing.
    """
    if importlib.util.find_spec(SANDBOX_MODULE) is None:
        raise CannotMake(
            f"{reference} is to run in a sandbox, and none is installed: pip install 'assetmill[local]', "
            "or leave sandbox out if you trust it"
        )
    try:
        source = find_function(reference, folder)
    except InvalidInput as error:
        raise CannotMake(str(error)) from error
    given = {f"given-{number}.bytes": data for number, data in enumerate(files)}
    if source.is_local:
        parts = source.module.split(".")
        package = ["__init__"] if source.path.name == "__init__.py" else []
        given["/".join((*parts, *package)) + ".py"] = source.path.read_bytes()
    code = _PROGRAM.format(module=source.module, name=source.name, count=len(files), made=_MADE)
    ended = _run(reference, code, given)
    if ended["tier"] == "refused":
        raise CannotMake(
            f"{reference} did not run, no sandbox holds here ({ended['error']}): install bubblewrap, or "
            "leave sandbox out if you trust it"
        )
    if ended["error"]:
        raise CannotMake(f"{reference} failed in the sandbox: {ended['error']}"[:MOST_SAID])
    made = base64.b64decode(ended["files"].get(_MADE, ""))
    if not made:
        raise CannotMake(f"{reference} returned no bytes: a file has at least one")
    return made


def _run(reference: str, code: str, files: dict[str, bytes]) -> dict[str, Any]:
    named = {name: base64.b64encode(data).decode() for name, data in files.items()}
    asked = {"code": code, "files": named, "timeout_s": LIMIT_S}
    late = f"{reference} took longer than {LIMIT_S:.0f} s in the sandbox"
    ended = ask(["-m", SANDBOX_MODULE, "run-code"], asked, LIMIT_S + _START_S, late)
    if ended.code:
        raise CannotMake(f"{reference}: the sandbox ended with {ended.code}: {ended.said}")
    return json.loads(ended.output)
