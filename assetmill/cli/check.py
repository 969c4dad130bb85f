"""`assetmill check`: does the tree match its lock? Asks no network, no credentials and no store."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import click

from assetmill.cli.options import json_option, print_json
from assetmill.errors import InvalidSpec
from assetmill.locking.checking import Problem, check_lock
from assetmill.locking.lockfile import NAME, read_lock
from assetmill.settings import load_settings

_WORDS = {"left_over": "left over"}


@click.command()
@click.option(
    "--lock",
    "lock_path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(NAME),
    show_default=True,
    help="The lock file; the tree is the folder that it lies in.",
)
@click.option("--no-files", is_flag=True, help="Compare pipelines and inputs alone, not the files made.")
@click.option("--approved", is_flag=True, help="Also ask that every file is approved.")
@json_option
def check(lock_path: Path, *, no_files: bool, approved: bool, as_json: bool) -> int:
    """Say what no longer matches assets.lock: pipelines, prompts, knowledge, inputs and files.

    Exit code 0 when all of it matches, 1 when something does not, 2 when a pipeline cannot be read.
    """
    lock = read_lock(lock_path)
    problems = check_lock(
        lock,
        lock_path.resolve().parent,
        cache(load_settings),
        with_files=not no_files,
        with_approval=approved,
    )
    if as_json:
        print_json(document(problems, len(lock.in_tree())))
    else:
        click.echo(text(problems, len(lock.in_tree())))
    if any(problem.kind == "invalid" for problem in problems):
        return InvalidSpec.exit_code
    return 1 if problems else 0


def document(problems: tuple[Problem, ...], files: int) -> dict[str, Any]:
    """Return the outcome as `--json` shows it."""
    status = "differs" if problems else "clean"
    return {"status": status, "files": files, "problems": [vars(problem) for problem in problems]}


def text(problems: tuple[Problem, ...], files: int) -> str:
    """Return the outcome as text, one line for each problem and a last one that says what to do."""
    if not problems:
        return f"clean: {files} files as locked"
    lines = [_line(problem) for problem in problems]
    kinds = dict.fromkeys(problem.kind for problem in problems)
    counts = [
        f"{sum(problem.kind == kind for problem in problems)} {_WORDS.get(kind, kind)}" for kind in kinds
    ]
    return "\n".join([*lines, f"{', '.join(counts)}; {files} files locked", *_advice(kinds)])


def _line(problem: Problem) -> str:
    what = f"{problem.folder}: {problem.stage}" if problem.stage else problem.folder
    if problem.kind in {"missing", "altered", "unapproved"}:
        return f"{_WORDS.get(problem.kind, problem.kind):<10} {problem.paths[0]}"
    tail = f": {problem.message}" if problem.message else ""
    if problem.where:
        tail += f" ({problem.where})"
    return f"{_WORDS.get(problem.kind, problem.kind):<10} {what}{tail}"


def _advice(kinds: dict[Any, None]) -> list[str]:
    lines: list[str] = []
    if kinds.keys() & {"stale", "new"}:
        lines.append("next: assetmill update    makes what is stale, and nothing else")
    if kinds.keys() & {"missing", "altered"}:
        lines.append("next: assetmill sync      brings the files from the store")
    if kinds.keys() == {"left_over"}:
        lines.append("next: assetmill lock      takes them out of the lock")
    if "unapproved" in kinds:
        lines.append("next: assetmill lock PIPELINE --approve NAME")
    return lines
