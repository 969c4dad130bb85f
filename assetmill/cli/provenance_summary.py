"""`assetmill provenance verify`: whether a summary is what was signed, and files are those that it names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, cast

import click

from assetmill.cli.options import print_json
from assetmill.cli.provenance_report import PREDICATE
from assetmill.errors import InvalidInput
from assetmill.markdown import one_line
from assetmill.provenance.marks import media_type_of
from assetmill.reviews.envelope import Forged, opened_statement
from assetmill.reviews.reviewers import read_reviewers
from assetmill.settings import Settings


def verify(summary: Path, folder: Path | None, settings: Settings, *, as_json: bool) -> int:
    """Say whether a summary holds, and whether a folder's files are its; return the exit code.

    Raises:
        InvalidInput: the summary or the folder cannot be read.
    """
    text = _read(summary)
    try:
        payload = opened_statement(text.removesuffix("\n"), read_reviewers(settings.configs), _signer)
    except Forged as error:
        return _tell({"status": "forged", "problems": [str(error)]}, as_json=as_json)
    statement: dict[str, Any] = json.loads(payload)
    files = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    problems = _differences(files, folder) if folder else []
    told = {
        "status": "differs" if problems else "whole",
        "signer": statement["predicate"]["signer"],
        "reported_at": statement["predicate"]["reported_at"],
        "files": len(files),
        "counts": statement["predicate"]["counts"],
        "problems": problems,
    }
    return _tell(told, as_json=as_json)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidInput(f"cannot read {path}: {reason}") from error


def _signer(payload: bytes) -> str:
    """Return who says to have signed; only a report of ours is one."""
    try:
        statement: Any = json.loads(payload)
        if statement["predicateType"] == PREDICATE:
            return str(statement["predicate"]["signer"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError("it is no summary of a provenance report") from error
    raise ValueError("it is no summary of a provenance report")


def _differences(files: dict[str, str], folder: Path) -> list[str]:
    """Return what is not as signed: changed, missing, or a picture that the summary does not name."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder")
    found = {name: _digest(folder / name) for name in files if _is_below(folder, name)}
    problems = [
        f"missing: {name}" if found.get(name) is None else f"changed: {name}"
        for name, wanted in sorted(files.items())
        if found.get(name) != wanted
    ]
    return [*problems, *(f"not in the summary: {name}" for name in _pictures(folder) if name not in files)]


def _is_below(folder: Path, name: str) -> bool:
    return (folder / name).resolve().is_relative_to(folder.resolve())


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _pictures(folder: Path) -> list[str]:
    found: list[str] = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
        with path.open("rb") as file:
            if media_type_of(file.read(16)) is not None:
                found.append(path.relative_to(folder).as_posix())
    return found


def _tell(told: dict[str, Any], *, as_json: bool) -> int:
    problems = cast(list[str], told["problems"])
    if as_json:
        print_json(told)
    else:
        for problem in problems:
            click.echo(one_line(problem))
        click.echo(_last_line(told))
    return 0 if told["status"] == "whole" else 1


def _last_line(told: dict[str, Any]) -> str:
    if told["status"] == "forged":
        return "the summary is not what a reviewer of this project signed"
    counts = ", ".join(f"{count} {verdict}" for verdict, count in told["counts"].items())
    said = f"signed by {told['signer']} on a report of {told['reported_at']}, {told['files']} files: {counts}"
    return one_line(f"{said}; the files are not those" if told["problems"] else said)
