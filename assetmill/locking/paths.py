"""Paths of a lock file in the tree around it: never outside, never hidden, never through a link."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from assetmill.errors import InvalidInput
from assetmill.names import safe_name

MAX_PATH = 400
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\n")

FileState = Literal["there", "missing", "altered"]


def path_problem(path: str) -> str | None:
    """Say why a path may not stand in a lock file, None when it may.

    Every segment must be a name that all systems write, so a path can hold no `..`, drive or `.git`.
    """
    segments = path.split("/")
    if len(path) > MAX_PATH:
        return f"is longer than {MAX_PATH} characters"
    if len(segments) < 2:
        return "is not inside a folder"
    return folder_problem("/".join(segments[:-1])) or _segment_problem(segments[-1])


def folder_problem(folder: str) -> str | None:
    """Say why a folder may not stand in a lock file, None when it may."""
    return next(filter(None, map(_segment_problem, folder.split("/"))), None)


def _segment_problem(segment: str) -> str | None:
    if segment != safe_name(segment):
        return f"has the part {segment[:60]!r}: write letters, digits, `.`, `_`, `-`, and no leading dot"
    return None


def tidy_folder(written: str, root: Path) -> str:
    """Return a folder as a lock file writes it, from what a person typed.

    Raises:
        InvalidInput: it is outside the tree, the tree itself, or has names that not every system writes.
    """
    plain = unicodedata.normalize("NFC", os.path.relpath(root / written, root)).replace(os.sep, "/")
    is_below = plain != "." and plain.split("/")[0] != ".."
    problem = folder_problem(plain) if is_below else "is not a folder below the lock file"
    if problem:
        raise InvalidInput(f"folder {written!r} {problem}")
    return plain


def file_state(root: Path, path: str, sha256: str, *, through_pointers: bool = True) -> FileState:
    """Compare a file with its digest; what is reached through a link is another file.

    A pointer of git-lfs can count as the file that it stands for.
    """
    if linked_folder(root, path):
        return "altered"
    try:
        with open(os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return "altered"
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found == sha256:
                return "there"
            file.seek(0)
            pointer = _POINTER.match(file.read(200)) if through_pointers else None
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "altered"
    return "there" if pointer and pointer[1].decode() == sha256 else "altered"


def write_file(root: Path, path: str, data: bytes) -> None:
    """Write a file of the tree as a whole: it is there complete, or as it was.

    Raises:
        InvalidInput: the path leaves the tree, by its parts or by a link, or cannot be written.
    """
    if problem := path_problem(path):
        raise InvalidInput(f"{path!r} {problem}")
    target = root / path
    try:
        _make_parents(root, path)
        replace_file(target, data)
    except OSError as error:
        raise InvalidInput(f"cannot write {path!r}: {error.strerror or error}") from error


def replace_file(target: Path, data: bytes) -> None:
    """Put a new file in the place of an old one; a link of that name is replaced, never followed."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def linked_folder(root: Path, path: str) -> Path | None:
    """Return the first folder on the way to a path that is a link, and so may lead anywhere."""
    return next((folder for folder in _folders(root, path) if folder.is_symlink()), None)


def _folders(root: Path, path: str) -> Iterator[Path]:
    way = root
    for part in path.split("/")[:-1]:
        way = way / part
        yield way


def _make_parents(root: Path, path: str) -> None:
    for folder in _folders(root, path):
        if folder.is_symlink():
            raise InvalidInput(
                f"{str(folder.relative_to(root))!r} is a link: files are not written through it"
            )
        folder.mkdir(exist_ok=True)
