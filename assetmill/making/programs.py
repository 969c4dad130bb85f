"""A program of its own that is asked once, in JSON, and answers within a limit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assetmill.children import child_environment
from assetmill.errors import CannotMake

MOST_SAID = 600
"""Characters of what a program says on stderr that a message repeats: its last words."""


@dataclass(frozen=True)
class ProgramEnd:
    """How a program ended; `said` are its last words on stderr."""

    code: int
    output: bytes
    said: str


def ask(arguments: Sequence[str], asked: Mapping[str, Any], timeout_s: float, late: str) -> ProgramEnd:
    """Run the interpreter with these arguments, which reads `asked` as JSON from stdin.

    Raises:
        CannotMake: it took longer; `late` is the message.
    """
    try:
        ended = subprocess.run(  # noqa: S603 - the interpreter, with a program of ours
            [sys.executable, *arguments],
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=timeout_s,
            env=child_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotMake(late) from error
    return ProgramEnd(
        ended.returncode, ended.stdout, ended.stderr.decode(errors="replace").strip()[-MOST_SAID:]
    )
