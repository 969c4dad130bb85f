"""The pins are written: each file at once, and only if it still says what was shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from assetmill.errors import InvalidInput
from assetmill.holding import held
from assetmill.migrating.proposal import FileChange


def write_files(files: Iterable[FileChange]) -> list[Path]:
    """Write the files of a migration and return them.

    Raises:
        InvalidInput: one was changed meanwhile, and none is written; or one cannot be written.
    """
    listed = list(files)
    with ExitStack() as stack:
        # In one order, so that two who write at once do not wait for each other.
        for folder in sorted({file.path.resolve().parent for file in listed}):
            stack.enter_context(held(folder))
        for file in listed:
            if file.path.read_bytes() != file.before:
                raise InvalidInput(f"{file.path} was changed meanwhile: migrate again")
        for file in listed:
            _replace(file)
    return [file.path for file in listed]


def _replace(file: FileChange) -> None:
    # A link stays a link: what it names is changed.
    path = file.path.resolve()
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(file.after)
        beside.chmod(path.stat().st_mode & 0o777)
        os.replace(beside, path)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from error
