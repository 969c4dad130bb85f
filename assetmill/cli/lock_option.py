"""`--lock`: which lock file, and so which tree and which configs; light, because `check` must start fast."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from assetmill.locking.lockfile import NAME


def root_of(lock_path: Path) -> Path:
    """Return the tree that a lock file is about: where it lies, not where a link of its name may lead."""
    return lock_path.parent.resolve()


def _with_its_configs(context: click.Context, _: click.Parameter, lock_path: Path) -> Path:
    context.with_resource(_configs_of(root_of(lock_path)))
    return lock_path


@contextmanager
def _configs_of(root: Path) -> Generator[None]:
    """Read pipelines and profiles from `configs/` beside the lock, wherever the command is typed.

    Without this another folder's configs, or those of the installation, would be compared with the lock. A
    variable, because plans, prices and flows each look for themselves.
    """
    configs = root / "configs"
    if "ASSETMILL_CONFIGS" in os.environ or root == Path.cwd() or not (configs / "profiles").is_dir():
        yield
        return
    os.environ["ASSETMILL_CONFIGS"] = str(configs)
    try:
        yield
    finally:
        del os.environ["ASSETMILL_CONFIGS"]


lock_option = click.option(
    "--lock",
    "lock_path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(NAME),
    show_default=True,
    callback=_with_its_configs,
    help="The lock file; the tree is the folder that it lies in, with its configs/.",
)
