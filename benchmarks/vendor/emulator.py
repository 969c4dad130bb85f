"""Starts `assetmill emulator serve` as a user would, and reads the environment off what it prints."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

START_S = 60.0
STOP_S = 10.0
# Credentials and settings of another service must not decide instead of the emulator's.
_FOREIGN = ("AZURE", "FOUNDRY", "OPENAI", "IDENTITY", "MSI", "ASSETMILL", "PYTEST")
MODELS = {
    "FOUNDRY_MODEL_NAME": "gpt-4.1",
    "IMAGE_GENERATION_MODEL_DEPLOYMENT_NAME": "gpt-image-1.5",
    "COMPUTER_USE_MODEL_DEPLOYMENT_NAME": "computer-use-preview",
    "MODEL_NAME": "gpt-4.1",
    "MODEL_PUBLISHER": "OpenAI",
}


@dataclass(frozen=True)
class Running:
    """An emulator that answers."""

    environment: Mapping[str, str]
    """The caller's environment, made fit for unmodified clients."""
    control: str
    token: str

    def control_call(self, method: str, path: str, body: object = None) -> object:
        """Call the control API and return its answer."""
        request = urllib.request.Request(
            self.control + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@contextlib.contextmanager
def started(state: Path) -> Generator[Running]:
    """Serve a fresh emulator on `state` for as long as the block lasts."""
    ready_file, log = state / "announced.json", state / "printed.txt"
    state.mkdir(parents=True)
    command = [str(Path(sys.executable).with_name("assetmill")), "emulator", "serve"]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, "--state", str(state / "state"), "--ready-file", str(ready_file)], stdout=sink
        )
    try:
        _wait(process, ready_file)
        ready = json.loads(ready_file.read_text("utf-8"))
        environment = {**_own(), **MODELS, **_exports(log.read_text("utf-8"))}
        yield Running(environment, ready["control"], ready["token"])
    finally:
        process.terminate()
        process.wait(STOP_S)


def _wait(process: subprocess.Popen[bytes], ready_file: Path) -> None:
    until = time.monotonic() + START_S
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit("the emulator did not start")
        time.sleep(0.05)


def _own() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}


def _exports(printed: str) -> dict[str, str]:
    lines = [shlex.split(line, comments=True) for line in printed.splitlines()]
    pairs = [words[1].partition("=") for words in lines if len(words) == 2 and words[0] == "export"]
    return {name: value for name, _, value in pairs}
