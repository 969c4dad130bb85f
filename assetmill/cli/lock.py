"""`assetmill lock` and `assetmill sync`: what was made, for git to keep, and its files in the tree."""

from __future__ import annotations

from pathlib import Path

import click

from assetmill.cli.lock_options import (
    changes,
    folder_options,
    lock_option,
    read_lock_or_new,
    root_of,
    save_lock,
    stores,
    target_of,
)
from assetmill.cli.options import json_option, parameter_options, print_json, profile_option, read_parameters
from assetmill.locking.lockfile import read_lock
from assetmill.locking.models import Lock
from assetmill.locking.syncing import Synced, sync_files

_SHOWN = 20


@click.command()
@click.argument("pipeline")
@parameter_options
@folder_options
@lock_option
@profile_option
def lock(
    pipeline: str,
    pairs: tuple[str, ...],
    file: str | None,
    *,
    out: str | None,
    only: tuple[str, ...],
    approve: str | None,
    lock_path: Path,
    profile: str | None,
) -> None:
    """Write what PIPELINE made last into assets.lock. Nothing is spent.

    What is not given here (parameters, folder, profile) is taken from the lock, where it was given before.
    """
    before = read_lock_or_new(lock_path)
    given = read_parameters(pairs, file)
    target = target_of(before, root_of(lock_path), pipeline, given=given, out=out, only=only, profile=profile)
    after = save_lock(lock_path, before, target, target.plan(), approve)
    count = sum(asset.in_tree for asset in after.assets_of(target.folder).values())
    click.echo(f"{lock_path}: {target.folder} has {count} files of {pipeline}; {changes(before, after)}")
    click.echo("next: assetmill sync    brings them into the tree")


@click.command()
@lock_option
@profile_option
@json_option
def sync(lock_path: Path, profile: str | None, *, as_json: bool) -> int:
    """Bring the files of assets.lock from the store into the tree: only what differs, verified."""
    synced = bring(read_lock(lock_path), root_of(lock_path), profile)
    if as_json:
        print_json(vars(synced))
    else:
        click.echo(said(synced))
    return 1 if synced.unknown else 0


def bring(lock: Lock, root: Path, profile: str | None = None) -> Synced:
    """Sync the tree with the stores of the profiles that the lock names."""
    with stores(profile) as find:
        return sync_files(lock, root, find)


def said(synced: Synced) -> str:
    """Return what a sync did, as text."""
    lines = [f"wrote    {path}" for path in synced.written[:_SHOWN]]
    if len(synced.written) > _SHOWN:
        lines.append(f"         and {len(synced.written) - _SHOWN} more")
    lines += [f"unknown  {path}: the store does not have its bytes" for path in synced.unknown]
    return "\n".join([*lines, f"{len(synced.written)} written, {len(synced.unchanged)} unchanged"])
