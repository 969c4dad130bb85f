"""Each tool is a word of the command line: the same checks, the same messages, the same documents.

No tool has a way of its own to plan, to spend or to look something up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from assetmill.errors import AssetmillError
from assetmill.serving_agents.records import AgentCall

PROGRAM = (sys.executable, "-m", "assetmill.cli.main")
LOOK_UP_TIMEOUT_S = 300.0
_MOST_SAID = 2000


class CommandFailed(AssetmillError):
    """A command of ours refused, with the words that it says on a terminal."""


def look_up(
    words: Sequence[str],
    profile: str | None,
    parameters: Mapping[str, Any] | None = None,
    options: Sequence[str] = (),
) -> dict[str, Any]:
    """Carry out a command that spends nothing and return its document.

    Raises:
        CommandFailed: it refused; with its message.
    """
    with parameter_file(parameters) as more:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [*PROGRAM, *words[:1], *more, *options, *_profile(profile), "--json", "--", *words[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LOOK_UP_TIMEOUT_S,
            check=False,
        )
    document = document_of(done.stdout)
    if document is None or document.get("status") == "error":
        raise CommandFailed(message_of(document, done.stderr, done.returncode))
    return document


def spending_words(tool: str, arguments: Mapping[str, Any], ceiling_usd: float) -> list[str]:
    """Return the words of a command that spends, its ceiling among them; parameters come by file."""
    budget = ["--budget", f"{ceiling_usd!r}"]
    match tool:
        case "run":
            return ["run", *budget, "--", arguments["pipeline"]]
        case "batch":
            name = ["--name", arguments["name"]] if arguments.get("name") else []
            return ["batch", *budget, "--rows", arguments["rows"], *name, "--", arguments["pipeline"]]
        case "edit":
            options = [
                word
                for option in ("mask", "box", "model", "size", "quality", "n")
                if arguments.get(option)
                for word in (f"--{option}", str(arguments[option]))
            ]
            return ["edit", *budget, *options, "--", arguments["asset"], arguments["instruction"]]
        case _:
            named = [arguments["pipeline"]] if arguments.get("pipeline") else []
            return ["update", *budget, "--", *named]


@contextmanager
def parameter_file(parameters: Mapping[str, Any] | None) -> Generator[list[str]]:
    """Write parameters, with their types, into a file for the time of a command; yields the option."""
    if not parameters:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="assetmill-") as folder:
        path = Path(folder) / "parameters.json"
        path.write_text(json.dumps(dict(parameters)), encoding="utf-8")
        yield ["--params", str(path)]


def with_options(words: Sequence[str], profile: str | None, more: Sequence[str]) -> list[str]:
    """Return a whole command line that prints one document."""
    return [*PROGRAM, *words[:1], *more, *_profile(profile), "--json", *words[1:]]


def first_document(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the document that a command prints before it goes on.

    Raises:
        CommandFailed: it ended instead; with its message.
    """
    text = ""
    assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - it was made so
    for line in process.stdout:
        text += line
        document = document_of(text)
        if document is not None and document.get("status") != "error":
            return document
    raise CommandFailed(message_of(document_of(text), process.stderr.read(), process.wait()))


def document_of(stdout: str) -> dict[str, Any] | None:
    """Return the one document that a command printed."""
    try:
        document = json.loads(stdout)
    except ValueError:
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def message_of(document: Mapping[str, Any] | None, stderr: str, exit_code: int) -> str:
    """Return what a command said of its failure."""
    if document and isinstance(document.get("error"), dict):
        return str(document["error"]["message"])
    said = stderr.strip()[-_MOST_SAID:]
    return said or f"the command ended with exit code {exit_code} and said nothing"


def environment(call: AgentCall) -> dict[str, str]:
    """Return the environment of a command that spends: all attempts share one ceiling and one run."""
    return {
        **os.environ,
        "ASSETMILL_SHARED_SCOPE": call.call_id,
        "ASSETMILL_SHARED_USD": repr(call.ceiling_usd),
        "ASSETMILL_SHARED_RUN_ID": call.told_run or "",
    }


def _profile(profile: str | None) -> list[str]:
    return ["--profile", profile] if profile else []
