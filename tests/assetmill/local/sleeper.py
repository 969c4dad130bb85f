"""A service for tests: holds its state's lock, says that it is ready after a while, and sleeps."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from pathlib import Path


def main(directory: Path, delay_s: float) -> int:
    with (directory / "server.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 3
        with (directory / "starts").open("a") as starts:
            starts.write("x")
        if delay_s < 0:
            sys.stderr.write("no such thing\n")
            return 1
        if signal.sigtimedwait([signal.SIGTERM], delay_s):
            return 0
        partial = directory / "ready.partial"
        partial.write_text(json.dumps({"pid": os.getpid()}))
        partial.replace(directory / "ready.json")
        signal.sigwait([signal.SIGTERM])
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
