"""The local Prefect server: `python -m assetmill.local.prefect_server`, shared by runs, gone when idle.

Why not Prefect's own temporary server: docs/decisions/0003-prefect-server.md.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import json
import os
import sqlite3
import sys
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import IO

from assetmill.errors import InvalidSettings
from assetmill.local.detached import PROCESS, READY, STATE_LOCK, USERS
from assetmill.local.guard import App, Guard, Receive, Scope, Send
from assetmill.private import make_folder, open_private, tighten, write_private

DATABASE = "prefect.db"
STATE_TAKEN = 3
_ASK_AFTER_S, _MOST_FAILURES = 5.0, 3


def database_url(directory: Path) -> str:
    """Return Prefect's URL of the database in a directory."""
    return f"sqlite+aiosqlite:///{directory / DATABASE}"


def template() -> Path:
    """Return where `assetmill setup` keeps a migrated, empty database of this Prefect version."""
    return Path(sys.prefix) / "share" / "assetmill" / f"prefect-{version('prefect')}.db"


def lay_out(directory: Path) -> bool:
    """Put the prepared database into a directory that has none; False when migrations have to run first.

    Raises:
        InvalidSettings: it cannot be written there.
    """
    make_folder(directory)
    migrated = directory / f"migrated-{version('prefect')}"
    if migrated.is_file():
        return True
    if (directory / DATABASE).exists() or not template().is_file():
        return False
    try:
        copy_database(template(), directory / DATABASE)
    except (OSError, sqlite3.Error) as error:
        raise InvalidSettings(
            f"Prefect's database cannot be laid out in {directory}: {error}; nothing was spent: make room "
            "there, and run it again"
        ) from error
    migrated.touch(0o600)
    return True


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database, appearing under its name only when whole."""
    partial = target.with_suffix(f".{os.getpid()}")
    # As private as the folder: SQLite would ask nobody but the umask.
    partial.touch(target.parent.stat().st_mode & 0o666)
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(partial)) as new:
            old.backup(new)
        partial.replace(target)
    except BaseException:
        # The half of it would take the room that is missing.
        partial.unlink(missing_ok=True)
        raise


class Activity:
    """Counts requests and open web sockets, so that the server knows when it is idle."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._open = 0
        self._last = time.monotonic()
        self.is_closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless the end was decided: whoever asks then needs a new server."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if self.is_closing and scope["type"] == "http":
            await send({"type": "http.response.start", "status": 503, "headers": []})
            return await send({"type": "http.response.body", "body": b""})
        self._open += 1
        try:
            return await self._app(scope, receive, send)
        finally:
            self._open -= 1
            self._last = time.monotonic()

    def idle_s(self) -> float:
        """Return for how many seconds nothing was going on."""
        return 0.0 if self._open else time.monotonic() - self._last


async def serve(directory: Path, port: int, idle_timeout_s: float, *, is_lasting: bool) -> None:
    """Serve until nothing has happened for a while and no run is left that uses this server.

    A lasting one also has Prefect's web page, schedules and automations.
    """
    # Importing makes millions of objects that stay: looking for garbage among them is a fifth of the start.
    gc.disable()
    import asyncio

    import uvicorn
    from prefect.server.api.server import create_app

    activity = Activity(create_app(ephemeral=not is_lasting, final=True))
    guard = Guard(activity, port)
    gc.freeze()
    gc.enable()
    config = uvicorn.Config(guard, host="127.0.0.1", port=port, log_level="error", lifespan="on")  # pyright: ignore[reportArgumentType]
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)
    if serving.done():
        await serving
        return
    (directory / f"migrated-{version('prefect')}").touch()
    # Copied from the installation as open as it is there.
    tighten(directory / "page")
    ready = directory / READY
    write_private(ready, json.dumps({"api_url": f"http://127.0.0.1:{port}/api", "pid": os.getpid()}).encode())
    database = Database()
    try:
        while not serving.done() and not (
            activity.idle_s() > idle_timeout_s and _retire(directory, activity)
        ):
            await asyncio.sleep(min(1.0, idle_timeout_s / 4))
            if await database.is_lost():
                break
    finally:
        ready.unlink(missing_ok=True)
        server.should_exit = True
        await serving


class Database:
    """Watches whether the server can still use its database.

    One that was started with a limit to its files keeps the limit, and would answer every run with an error
    for as long as it lives.
    """

    def __init__(self) -> None:
        self._asked_at, self._failures = time.monotonic(), 0

    async def is_lost(self) -> bool:
        """Return whether it could not be reached time after time."""
        from prefect.server.database import provide_database_interface

        if time.monotonic() - self._asked_at < _ASK_AFTER_S:
            return False
        reached = await provide_database_interface().is_db_connectable()
        self._asked_at, self._failures = time.monotonic(), 0 if reached else self._failures + 1
        return self._failures >= _MOST_FAILURES


def _retire(directory: Path, activity: Activity) -> bool:
    """Stop being found, unless a run is there: runs share a lock while they live, whatever ends them.

    The lock is ours until nobody can find us any more, so no run can come in between.
    """
    with open_private(directory / USERS, "a") as users:
        if not take(users, fcntl.LOCK_EX):
            return False
        (directory / READY).unlink(missing_ok=True)
        (directory / PROCESS).unlink(missing_ok=True)
        activity.is_closing = True
        return True


def take(file: IO[str], how: int) -> bool:
    """Try to lock a file without waiting; closing it lets go."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def main() -> int:
    """Serve Prefect's API on a database in a directory; 3 when another process does so already."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--idle-timeout", type=float, default=600.0)
    parser.add_argument("--lasting", action="store_true")
    arguments = parser.parse_args()
    directory: Path = arguments.directory
    os.umask(0o077)
    directory.mkdir(parents=True, exist_ok=True)
    with open_private(directory / STATE_LOCK, "a") as lock:
        if not take(lock, fcntl.LOCK_EX):
            return STATE_TAKEN
        os.environ["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] = "0" if lay_out(directory) else "1"
        idle, is_lasting = arguments.idle_timeout, arguments.lasting
        import asyncio  # commands that start no server read where its files are, and would wait for it

        asyncio.run(serve(directory, arguments.port, idle, is_lasting=is_lasting))
    return 0


if __name__ == "__main__":
    sys.exit(main())
