"""Carries one call that spends from its record to its end, in a process of its own.

It outlives the server that started it: a host that is closed, or a server that is killed, takes no run along.
`python -m assetmill.serving_agents.carrier CALL PROFILE LOCK` inherits the call's lock as a file descriptor
and hands it to its command: the lock is held from before the first process starts until the last one ends.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from assetmill.private import make_folder, make_home, open_private
from assetmill.redaction import redact
from assetmill.serving_agents import commands
from assetmill.serving_agents.book import CallBook
from assetmill.serving_agents.naming import next_try
from assetmill.serving_agents.records import AgentCall, CallEnded
from assetmill.settings import Settings, load_settings
from assetmill.store.opening import open_store

_SAID_LINES = 40
# The command that it starts says all warnings itself.
_CARRIER = (sys.executable, "-W", "ignore", "-m", "assetmill.serving_agents.carrier")
PROGRESS = "progress"
_LOCK, _GATE = "lock", "gate"
_OUT = "out.json"


def folder_of(settings: Settings, call_id: str) -> Path:
    """Return where a call's lock and progress lie on this machine."""
    make_home(settings.home)
    return make_folder(settings.home / "agent-calls" / call_id)


def start(call: AgentCall, settings: Settings) -> bool:
    """Start the carrier of a call; False when one is at work on this machine."""
    folder = folder_of(settings, call.call_id)
    with _gate(folder), open_private(folder / _LOCK, "a") as lock:
        if not _take(lock):
            return False
        with open_private(folder / PROGRESS, "wb") as progress:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*_CARRIER, call.call_id, call.profile, str(lock.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=progress,
                # The lock goes along: there is no moment at which nobody holds it.
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
    # It outlives us on purpose: Popen must not complain about that when it is collected.
    process.returncode = 0
    return True


def is_carried(settings: Settings, call_id: str) -> bool:
    """Say whether a carrier of a call is at work on this machine."""
    folder = settings.home / "agent-calls" / call_id
    if not (folder / _LOCK).exists():
        return False
    with _gate(folder), (folder / _LOCK).open("r+") as lock:
        return not _take(lock)


@contextmanager
def _gate(folder: Path) -> Generator[None]:
    """Let one look at a call's lock at a time: who only looks must not pass for a carrier."""
    with open_private(folder / _GATE, "a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _take(lock: IO[Any]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def progress_of(settings: Settings, call_id: str) -> list[str]:
    """Return the lines that a call's command has said so far on this machine."""
    try:
        text = (settings.home / "agent-calls" / call_id / PROGRESS).read_text("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [redact(line.strip()) for line in text.splitlines() if line.strip()]


def carry(call_id: str, settings: Settings, lock: int) -> None:
    """Run a call's command and store what became of it."""
    store = settings.store
    backend = open_store(
        settings.store_url, endpoint_url=store.endpoint_url, region=store.region, home=settings.home
    )
    with closing(backend):
        book = CallBook(backend)
        call = book.read(call_id)
        begun = book.begin(call_id, os.getpid(), next_try(call, backend))
        if begun is None:
            return
        folder = folder_of(settings, call_id)
        exit_code = _command(call, folder, lock)
        document = commands.document_of((folder / _OUT).read_text("utf-8", "replace"))
        said = tuple(progress_of(settings, call_id)[-_SAID_LINES:])
        book.end(
            CallEnded(
                call_id=call_id,
                attempt=begun.attempt,
                exit_code=exit_code,
                document=document,
                said=said,
                ended_at=time.time(),
            )
        )


def _command(call: AgentCall, folder: Path, lock: int) -> int:
    # A batch is named as it was told, also when its table has changed since.
    named = {"name": call.run_id} if call.tool == "batch" and call.run_id else {}
    words = commands.spending_words(call.tool, {**call.arguments, **named}, call.ceiling_usd)
    with (
        commands.parameter_file(call.arguments.get("parameters")) as more,
        open_private(folder / _OUT, "wb") as out,
    ):
        return subprocess.run(  # noqa: S603 - our own interpreter and module
            commands.with_options(words, call.profile, more),
            stdin=subprocess.DEVNULL,
            stdout=out,
            pass_fds=[lock],
            env=commands.environment(call),
            check=False,
        ).returncode


if __name__ == "__main__":
    carry(sys.argv[1], load_settings(sys.argv[2]), int(sys.argv[3]))
