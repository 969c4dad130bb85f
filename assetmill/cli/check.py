"""`assetmill check`: does the tree match its lock? Asks no network, no credentials and no store."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import click

from assetmill.cli import models
from assetmill.cli.lock_option import lock_option, root_of
from assetmill.cli.options import (
    Span,
    cost_text,
    given,
    json_option,
    print_json,
    profile_option,
    total_text,
)
from assetmill.cli.written import rows_that_fit, write_text
from assetmill.errors import InvalidSpec
from assetmill.locking.checking import Problem, check_lock
from assetmill.locking.lockfile import read_lock
from assetmill.locking.models import Lock
from assetmill.markdown import cell, code, one_line
from assetmill.models.radar import look
from assetmill.plan.plan import FREE
from assetmill.reviews.reviewers import read_reviewers
from assetmill.settings import Settings, load_settings

_WORDS = {"left_over": "left over"}
_REMADE = frozenset({"stale", "new"})
_ROWS = 100
_TITLE = "### assetmill check"


@click.command()
@lock_option
@click.option("--no-files", is_flag=True, help="Compare pipelines and inputs alone, not the files made.")
@click.option(
    "--markdown",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the outcome, with what an update would cost, for a pull request.",
)
@click.option("--approved", is_flag=True, help="Also ask that every file is approved.")
@click.option(
    "--approvals",
    type=click.IntRange(min=1),
    metavar="N",
    help="Also ask that N reviewers have approved every file, and nobody rejects it.",
)
@click.option("--models", "of_models", is_flag=True, help="Instead: say how long the project's models live.")
@click.option(
    "--within",
    "within_s",
    type=Span(),
    default="90d",
    metavar="DAYS",
    help="With --models: ends within this time make the exit code 1; 90d when left out.",
)
@profile_option
@json_option
def check(
    lock_path: Path,
    *,
    no_files: bool,
    markdown: Path | None,
    approved: bool,
    approvals: int | None,
    of_models: bool,
    within_s: float,
    profile: str | None,
    as_json: bool,
) -> int:
    """Say what no longer matches assets.lock.

    Pipelines, prompts, knowledge, inputs and files are looked at.

    Exit code 0 when all of it matches, 1 when something does not, 2 when a pipeline cannot be read.
    """
    if of_models:
        return _check_models(
            root_of(lock_path), load_settings(profile), timedelta(seconds=within_s), markdown, as_json=as_json
        )
    with _no_collections():
        lock = _read(lock_path, markdown)
        problems = check_lock(
            lock,
            root_of(lock_path),
            cache(load_settings),
            with_files=not no_files,
            approvals=approvals or int(approved),
            reviewers=read_reviewers(load_settings(profile).configs) if approved or approvals else None,
        )
    if markdown:
        write_text(markdown, for_pull_request(problems, len(lock.in_tree())))
    if as_json:
        print_json(document(problems, len(lock.in_tree())))
    else:
        click.echo(text(problems, len(lock.in_tree())))
    if any(problem.kind == "invalid" for problem in problems):
        return InvalidSpec.exit_code
    return 1 if problems else 0


def _check_models(
    root: Path, settings: Settings, within: timedelta, markdown: Path | None, *, as_json: bool
) -> int:
    """Say which models of the project end within a time, by the tables and by what the endpoint told last."""
    sightings = look(settings, root, models.today(), within=within)
    if markdown:
        write_text(markdown, models.for_pull_request(sightings, within))
    if as_json:
        print_json(models.document(sightings, within))
    else:
        click.echo(models.text(sightings, within))
    return 1 if any(one.is_near for one in sightings) else 0


def _read(lock_path: Path, markdown: Path | None) -> Lock:
    """Read the lock; a pull request is told too when it cannot be read."""
    try:
        return read_lock(lock_path)
    except InvalidSpec as error:
        if markdown:
            write_text(markdown, f"{_TITLE}\n\n{cell(str(error))}\n")
        raise


@contextmanager
def _no_collections() -> Generator[None]:
    """Keep the collector from looking through thousands of objects that all stay: a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def document(problems: tuple[Problem, ...], files: int) -> dict[str, Any]:
    """Return the outcome as `--json` shows it."""
    status = "differs" if problems else "clean"
    return {"status": status, "files": files, "problems": [_problem(problem) for problem in problems]}


def _problem(problem: Problem) -> dict[str, Any]:
    """Return a problem as `--json` shows it; its cost is null where any part of it is unknown."""
    cost = problem.cost
    return {**asdict(problem), "cost": cost.amounts() if cost and cost.is_known else None}


def text(problems: tuple[Problem, ...], files: int) -> str:
    """Return the outcome as text, one line for each problem and a last one that says what to do."""
    if not problems:
        return f"clean: {files} files as locked"
    lines = [one_line(_line(problem)) for problem in problems]
    kinds = dict.fromkeys(problem.kind for problem in problems)
    counts = [
        f"{sum(problem.kind == kind for problem in problems)} {_WORDS.get(kind, kind)}" for kind in kinds
    ]
    cost = f"; an update costs {_cost(problems)}" if kinds.keys() & _REMADE else ""
    return "\n".join([*lines, f"{', '.join(counts)}; {files} files locked{cost}", *_advice(kinds)])


def for_pull_request(problems: tuple[Problem, ...], files: int) -> str:
    """Return the outcome as Markdown; text from files cannot leave its cell."""
    lines = [_TITLE, ""]
    if not problems:
        return "\n".join([*lines, f"All {files} files are as `assets.lock` says.", ""])
    lines += ["| State | Stage or file | Why | Cost |", "|---|---|---|---:|"]
    rows: list[str] = []
    for problem in problems:
        what = problem.stage if problem.kind in {*_REMADE, "left_over"} else ", ".join(problem.paths)
        why = problem.message + (f" ({problem.where})" if problem.where else "")
        cost = cost_text(problem.cost) if problem.kind in _REMADE else ""
        cells = (_WORDS.get(problem.kind, problem.kind), code(what or problem.folder), cell(why), cost)
        rows.append("| " + " | ".join(cells) + " |")
    lines += rows_that_fit(rows, _ROWS)
    if any(problem.kind in _REMADE for problem in problems):
        lines += ["", f"`assetmill update` makes what is stale: {_cost(problems)}."]
    return "\n".join([*lines, ""])


def _cost(problems: tuple[Problem, ...]) -> str:
    remade = [problem for problem in problems if problem.kind in _REMADE]
    total = sum((problem.cost for problem in remade if problem.cost), FREE)
    return total_text(total)


def _line(problem: Problem) -> str:
    what = f"{problem.folder}: {problem.stage}" if problem.stage else problem.folder
    if problem.kind in {"missing", "altered", "unapproved"}:
        why = f": {problem.message}" if problem.message else ""
        return f"{_WORDS.get(problem.kind, problem.kind):<10} {problem.paths[0]}{why}"
    tail = f": {problem.message}" if problem.message else ""
    if problem.where:
        tail += f" ({problem.where})"
    return f"{_WORDS.get(problem.kind, problem.kind):<10} {what}{tail}"


def _advice(kinds: dict[Any, None]) -> list[str]:
    lines: list[str] = []
    if kinds.keys() & _REMADE:
        lines.append(f"next: assetmill update{given('lock_path')}    makes what is stale, and nothing else")
    if kinds.keys() & {"missing", "altered"}:
        lines.append(f"next: assetmill sync{given('lock_path')}      brings the files from the store")
    if kinds.keys() == {"left_over"}:
        lines.append(f"next: assetmill lock PIPELINE{given('lock_path')}    takes them out of the lock")
    if "unapproved" in kinds:
        lines.append(f"next: assetmill lock PIPELINE --approve NAME{given('lock_path')}")
    return lines
