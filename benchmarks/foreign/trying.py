"""Runs a client's programs against an emulator and reads their verdicts."""

from __future__ import annotations

import json
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.foreign.clients import Client, Installed
from benchmarks.vendor.emulator import Running

LIMIT_S = 300.0
_ONSETS = ("b", "br", "d", "f", "g", "k", "l", "m", "n", "p", "qu", "r", "t", "v", "z")
_VOWELS = ("a", "e", "i", "o", "u")


@dataclass(frozen=True)
class Trial:
    """How a client's programs went."""

    problems: dict[str, str]
    """By program, in their order; empty where it passed."""
    output: str
    """What the client wrote beside its verdicts."""

    @property
    def failed(self) -> list[str]:
        """Return the programs that failed."""
        return [name for name, problem in self.problems.items() if problem]


def coined(seed: int) -> dict[str, str]:
    """Make up the words of a run: nobody can have answered with them before."""
    chance = random.Random(seed)  # noqa: S311 - names and numbers, no secrets

    def name() -> str:
        return "".join(chance.choice(_ONSETS) + chance.choice(_VOWELS) for _ in range(4)).capitalize()

    words = {"person": name(), "town": name(), "product": name()}
    return {**words, "degrees": str(chance.randint(3, 38)), "weight": str(chance.randint(1100, 9900))}


def try_client(
    client: Client, installed: Installed, folder: Path, running: Running, words: dict[str, str]
) -> Trial:
    """Run all programs of a client; one that says nothing of itself has failed."""
    own = {
        "FOREIGN_WORDS": json.dumps(words),
        "NODE_EXTRA_CA_CERTS": running.environment["SSL_CERT_FILE"],
        "DO_NOT_TRACK": "1",
    }
    try:
        done = subprocess.run(
            installed.command,
            cwd=folder,
            env={**running.environment, **own},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        said, ending = done.stdout, f"exit code {done.returncode}"
        output = done.stderr
    except subprocess.TimeoutExpired as slow:
        said, ending = _text(slow.stdout), f"not done in {LIMIT_S:.0f} s"
        output = _text(slow.stderr)
    verdicts = _verdicts(said)
    # A program nobody listed is no part of what a client is tried with, and would hide a misspelt name.
    unlisted = {name: "not listed in clients.toml" for name in verdicts if name not in client.programs}
    listed = {name: verdicts.get(name, f"no verdict ({ending})") for name in client.programs}
    return Trial({**listed, **unlisted}, output)


def _verdicts(said: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in said.splitlines():
        if line.startswith('{"program"'):
            verdict: dict[str, Any] = json.loads(line)
            found[str(verdict["program"])] = str(verdict["problem"])
    return found


def _text(stream: bytes | str | None) -> str:
    return stream.decode(errors="replace") if isinstance(stream, bytes) else stream or ""
