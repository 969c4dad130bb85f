"""A person's own function over files, in a process of its own: it may do anything, and the engine goes on."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from assetmill.errors import CannotMake
from assetmill.making.programs import ask

_LIMIT_S = 300.0
_MOST_BYTES = 256 * 1024 * 1024

_PROGRAM = """
import base64, importlib, json, sys
asked = json.loads(sys.stdin.buffer.read())
sys.path.insert(0, asked["folder"])
out, sys.stdout = sys.stdout, sys.stderr
own = getattr(importlib.import_module(asked["module"]), asked["name"])
made = own(*map(base64.b64decode, asked["files"]))
if not isinstance(made, bytes):
    sys.exit(f"{asked['name']} returned {type(made).__name__}, not bytes")
out.write(base64.b64encode(made).decode())
"""


def call_own(reference: str, folder: Path, files: Sequence[bytes]) -> bytes:
    """Return what `module:function` makes of some files' bytes; the module is looked for in `folder` first.

    Raises:
        CannotMake: it failed, took too long, or returned no bytes.
    """
    module, _, name = reference.partition(":")
    asked = {
        "folder": str(folder),
        "module": module,
        "name": name,
        "files": [base64.b64encode(one).decode() for one in files],
    }
    late = f"{reference} took longer than {_LIMIT_S:.0f} s"
    ended = ask(["-c", _PROGRAM], asked, _LIMIT_S, late)
    if ended.code:
        raise CannotMake(f"{reference} failed: {ended.said or f'it ended with {ended.code}'}")
    made = base64.b64decode(ended.output)
    if not made or len(made) > _MOST_BYTES:
        raise CannotMake(f"{reference} returned {len(made):,} bytes: a file has 1 to {_MOST_BYTES:,}")
    return made
