"""A person's own function over files, in a process of its own: it may do anything, and the engine goes on."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from assetmill.children import child_environment
from assetmill.errors import CannotMake

_LIMIT_S = 300.0
_MOST_BYTES = 256 * 1024 * 1024
_MOST_SAID = 600

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
    try:
        ended = subprocess.run(  # noqa: S603 - the interpreter, with a program of ours
            [sys.executable, "-c", _PROGRAM],
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=_LIMIT_S,
            env=child_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotMake(f"{reference} took longer than {_LIMIT_S:.0f} s") from error
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip()[-_MOST_SAID:]
        raise CannotMake(f"{reference} failed: {said or f'it ended with {ended.returncode}'}")
    made = base64.b64decode(ended.stdout)
    if not made or len(made) > _MOST_BYTES:
        raise CannotMake(f"{reference} returned {len(made):,} bytes: a file has 1 to {_MOST_BYTES:,}")
    return made
