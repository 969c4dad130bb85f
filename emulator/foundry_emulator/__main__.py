"""`python -m foundry_emulator`: serve the embedded Foundry service."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from foundry_emulator.server import Ready, StateInUse, serve


def _say(ready: Ready) -> None:
    lines = [f"export {name}={value}" for name, value in ready.environment().items()]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m foundry_emulator", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="directory that holds everything")
    parser.add_argument("--port", type=int, default=0, help="port of the project endpoint; 0 chooses one")
    parser.add_argument("--ready-file", type=Path, help="JSON written once the service answers")
    parser.add_argument("--idle-timeout", type=float, help="end after that many seconds without a request")
    parser.add_argument(
        "--unsafe-code-interpreter",
        action="store_true",
        help="run code interpreter programs with limits only where no sandbox holds",
    )
    parser.add_argument("--allow-mcp-host", action="append", default=[], help="MCP host besides loopback")
    options = parser.parse_args(arguments)
    # Keys, prompts and answers are among what it writes.
    os.umask(0o077)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        serve(
            options.state,
            options.port,
            options.ready_file,
            options.idle_timeout,
            unsafe_code_interpreter=options.unsafe_code_interpreter,
            mcp_hosts=frozenset(options.allow_mcp_host),
            on_ready=_say,
        )
    except StateInUse as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
