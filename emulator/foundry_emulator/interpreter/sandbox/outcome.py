"""What a run of code hands back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CodeOutcome:
    """Result of one run.

    `logs` is standard output and standard error in order, ending with a line for each file passed over.
    `files` are new or changed files by relative path. `error` is the last line of the traceback or why the
    run was stopped. `displayed` names the files of figures that were shown.
    """

    logs: str
    files: tuple[tuple[str, bytes], ...] = ()
    error: str | None = None
    displayed: tuple[str, ...] = ()
