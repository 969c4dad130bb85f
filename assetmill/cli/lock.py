"""`assetmill lock` and `assetmill sync`: what was made, for git to keep, and its files in the tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from assetmill.cli.lock_option import lock_option, root_of
from assetmill.cli.lock_options import (
    Saved,
    change_lock,
    changes,
    folder_options,
    read_lock_or_new,
    save_lock,
    stores,
    target_of,
)
from assetmill.cli.options import (
    given,
    json_option,
    parameter_options,
    print_json,
    profile_option,
    read_parameters,
)
from assetmill.cli.telling import told_count
from assetmill.errors import InvalidInput, NotFound
from assetmill.locking.leaving import Left, files_left, previous_lock, remove_file
from assetmill.locking.lockfile import read_lock
from assetmill.locking.models import Lock
from assetmill.locking.paths import tidy_folder
from assetmill.locking.syncing import Synced, sync_files

_SHOWN = 20


@click.command()
@click.argument("pipeline", required=False)
@parameter_options
@folder_options
@click.option("--drop", metavar="DIR", help="Take this folder, its files and its stages out of the lock.")
@lock_option
@profile_option
@json_option
def lock(
    pipeline: str | None,
    pairs: tuple[str, ...],
    file: str | None,
    *,
    out: str | None,
    only: tuple[str, ...],
    approve: str | None,
    drop: str | None,
    lock_path: Path,
    profile: str | None,
    as_json: bool,
) -> None:
    """Write what PIPELINE made last into assets.lock. Nothing is spent.

    What is not given here (parameters, folder, profile) is taken from the lock, where it was given before.
    """
    before = read_lock_or_new(lock_path)
    if drop is not None:
        if pipeline or pairs or file or out or only or approve:
            raise InvalidInput("--drop stands alone: nothing else is locked with it")
        folder = tidy_folder(drop, root_of(lock_path))
        saved = change_lock(lock_path, lambda lock: _without(lock, folder))
        if as_json:
            return print_json(lock_json(lock_path, folder, saved))
        click.echo(f"{lock_path}: {changes(saved.before, saved.after)}")
        step = f"assetmill sync --prune{given('lock_path')}"
        click.echo(f"next: {step}    removes the files that left the lock")
        return None
    if pipeline is None:
        raise InvalidInput("say which PIPELINE to lock")
    typed = read_parameters(pairs, file)
    target = target_of(before, root_of(lock_path), pipeline, given=typed, out=out, only=only, profile=profile)
    saved = save_lock(lock_path, target, target.plan(), approve)
    if as_json:
        return print_json(lock_json(lock_path, target.folder, saved))
    count, said = len(_files(saved.after, target.folder)), changes(saved.before, saved.after)
    click.echo(f"{lock_path}: {target.folder} has {count} files of {pipeline}; {said}")
    click.echo(f"next: assetmill sync{given('lock_path')}    brings them into the tree")
    return None


def lock_json(lock_path: Path, folder: str, saved: Saved) -> dict[str, Any]:
    """Return what became of a folder of the lock, as `--json` shows it."""
    old, new = saved.before.in_tree(), saved.after.in_tree()
    return {
        "lock": str(lock_path),
        "folder": folder,
        "files": sorted(_files(saved.after, folder)),
        "added": sorted(new.keys() - old.keys()),
        "changed": sorted(path for path in new.keys() & old.keys() if new[path].sha256 != old[path].sha256),
        "removed": sorted(old.keys() - new.keys()),
    }


def _without(before: Lock, folder: str) -> Lock:
    if folder not in before.folder:
        raise NotFound("folder", folder, f"the lock has {', '.join(sorted(before.folder)) or 'none'}")
    return before.without(folder)


def _files(lock: Lock, folder: str) -> list[str]:
    return [path for path, asset in lock.assets_of(folder).items() if asset.in_tree]


@click.command()
@click.option("--prune", is_flag=True, help="Also remove files that left the lock, as git knows it.")
@lock_option
@profile_option
@json_option
def sync(*, prune: bool, lock_path: Path, profile: str | None, as_json: bool) -> int:
    """Bring the files of assets.lock into the tree.

    They come from the store: only what differs, verified.

    A file that an earlier lock named and this one does not is told about. With --prune it is removed, unless
    its bytes are not those that were locked, or a file could not be brought.
    """
    lock, root = read_lock(lock_path), root_of(lock_path)
    before = previous_lock(lock, root, lock_path.name) if prune else None
    synced = bring(lock, root, profile)
    left = files_left(before, lock, root) if before else left_over(lock, lock_path)
    removed = [item for item in left if prune and not synced.unknown and remove_file(root, item)]
    stays = tuple(item for item in left if item not in removed)
    if as_json:
        paths = {"removed": [item.path for item in removed], "left": [item.path for item in stays]}
        print_json({**vars(synced), **paths})
    else:
        lines = [said(synced), *(f"removed  {item.path}" for item in removed), *said_left(stays)]
        click.echo("\n".join(lines))
    return 1 if synced.unknown else 0


def bring(lock: Lock, root: Path, profile: str | None = None) -> Synced:
    """Sync the tree with the stores of the profiles that the lock names."""
    with stores(profile) as find, told_count("bringing", "file", len(lock.in_tree())) as step:
        return sync_files(lock, root, find, on_file=step)


def left_over(lock: Lock, lock_path: Path) -> tuple[Left, ...]:
    """Return the files that left the lock; none are known where there is no git."""
    root = root_of(lock_path)
    try:
        return files_left(previous_lock(lock, root, lock_path.name), lock, root)
    except InvalidInput:
        return ()


def said_left(left: tuple[Left, ...]) -> list[str]:
    """Return what is to be told of files that left the lock, as lines."""
    changed = ", and is not as it was locked"
    lines = [
        f"left     {item.path} is no longer in the lock{'' if item.is_ours else changed}" for item in left
    ]
    more = len(lines) - _SHOWN
    lines = [*lines[:_SHOWN], f"         and {more} more"] if more > 0 else lines
    is_any_ours = any(item.is_ours for item in left)
    step = f"next: assetmill sync --prune{given('lock_path', 'profile')}    removes what left the lock"
    return [*lines, step] if is_any_ours else lines


def said(synced: Synced) -> str:
    """Return what a sync did, as text."""
    replaced = frozenset(synced.replaced)
    words = {path: "replaced" if path in replaced else "wrote   " for path in synced.written}
    lines = [f"{words[path]} {path}" for path in synced.written[:_SHOWN]]
    if len(synced.written) > _SHOWN:
        lines.append(f"         and {len(synced.written) - _SHOWN} more")
    lines += [f"unknown  {path}: the store does not have its bytes" for path in synced.unknown]
    return "\n".join([*lines, f"{len(synced.written)} written, {len(synced.unchanged)} unchanged"])
