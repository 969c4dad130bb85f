"""The embedded services of all projects of this user, found among the processes of this machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assetmill.local import detached

_PROC = Path("/proc")
_SERVICES = (
    (re.compile(r" -m foundry_emulator --state (.+?) --port "), "the embedded Foundry service"),
    (re.compile(r" -m assetmill\.local\.prefect_server --directory (.+?) --port .* --lasting\b"),
     "Prefect with its web page"),
    (re.compile(r" -m assetmill\.local\.prefect_server --directory (.+?) --port "), "Prefect"),
)  # fmt: skip


@dataclass(frozen=True)
class LeftRunning:
    """A service that some run has started, and where it keeps its state."""

    title: str
    directory: Path


def left_running() -> list[LeftRunning]:
    """Return the services that runs of this user have started and that work still, by their directories.

    One that a person started in a terminal of theirs is not among them: they see it, and end it there.
    """
    found = (_service(pid, line) for pid, line in command_lines())
    return sorted((one for one in found if one), key=lambda one: str(one.directory))


def command_lines() -> Iterator[tuple[int, str]]:
    """Yield the processes of this user: number and command line, its words with a space between them."""
    if (_PROC / "self" / "cmdline").exists():
        yield from _of_proc()
        return
    # No /proc on a Mac. Every system that has none has its own `ps`.
    listed = subprocess.run(
        ["/bin/ps", "-ww", "-x", "-o", "pid=,args="], capture_output=True, text=True, check=False
    )
    for line in listed.stdout.splitlines():
        number, _, rest = line.strip().partition(" ")
        yield int(number), rest


def _of_proc() -> Iterator[tuple[int, str]]:
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if folder.stat().st_uid == os.getuid():
                words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                yield int(folder.name), " ".join(map(os.fsdecode, words))
        except OSError:
            continue  # it has ended since it was listed


def _service(pid: int, line: str) -> LeftRunning | None:
    for shape, title in _SERVICES:
        if match := shape.search(line):
            directory = Path(match[1])
            # Words alone could be anybody's: whoever started it has noted its number, and it holds its state.
            is_ours = detached.pid_of(directory) == pid and detached.is_guarded(directory)
            return LeftRunning(title, directory) if is_ours else None
    return None
