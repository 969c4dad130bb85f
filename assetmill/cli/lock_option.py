"""`--lock`: which lock file, and so which tree and which configs; light, because `check` must start fast."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from assetmill.locking.lockfile import NAME
from assetmill.settings import project_file, project_root


def root_of(lock_path: Path) -> Path:
    """Return the tree that a lock file is about: where it lies, not where a link of its name may lead."""
    return lock_path.parent.resolve()


def _with_its_project(context: click.Context, _: click.Parameter, given: Path | None) -> Path:
    lock_path = given or project_file(NAME)
    if given is None and lock_path.parent == Path.cwd():
        # As one would type it: messages name it.
        lock_path = Path(NAME)
    context.with_resource(_project_of(root_of(lock_path)))
    return lock_path


@contextmanager
def _project_of(root: Path) -> Generator[None]:
    """Work in the project of the lock, wherever the command is typed: its configs and its store.

    Without this another folder's configs, or those of the installation, would be compared with the lock. A
    variable, because plans, prices and flows each look for themselves.
    """
    if "ASSETMILL_ROOT" in os.environ or root == project_root().path:
        yield
        return
    os.environ["ASSETMILL_ROOT"] = str(root)
    try:
        yield
    finally:
        del os.environ["ASSETMILL_ROOT"]


lock_option = click.option(
    "--lock",
    "lock_path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_with_its_project,
    help=f"The lock file, {NAME} of the project by default; the tree is the folder that it lies in.",
)
