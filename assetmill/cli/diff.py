"""`assetmill diff`: the assets that changed, before and after, on the terminal, as a page, as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from assetmill.cli.diff_page import Report, markdown, page, report, text
from assetmill.cli.diff_pictures import PAGE, write_pictures
from assetmill.cli.lock_option import lock_option, root_of
from assetmill.cli.lock_options import locked_target, stores
from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.cli.written import write_text
from assetmill.errors import InvalidSettings, StoreUnavailable
from assetmill.locking.differences import bytes_finder, changed_assets
from assetmill.locking.history import file_at, resolve_commit
from assetmill.locking.lockfile import parse_lock, read_lock
from assetmill.locking.making import lock_plan
from assetmill.locking.models import Lock, LockedAsset
from assetmill.locking.syncing import Find
from assetmill.records import BlobRef

FindBytes = Callable[[str, LockedAsset], bytes | None]
_file = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--base", metavar="COMMIT", default="HEAD", show_default=True, help="What to compare with.")
@click.option("--made", is_flag=True, help="Compare the lock with what was made last, not with git.")
@click.option("--html", metavar="FILE", type=_file, help="Write a page that needs nothing beside it.")
@click.option(
    "--markdown", "markdown_path", metavar="FILE", type=_file, help="Write a table for a pull request."
)
@click.option(
    "--pictures",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write small pictures for a comment, and pictures.md that shows them.",
)
@click.option("--all", "everything", is_flag=True, help="Also pictures that are not in the tree.")
@click.option("--no-store", is_flag=True, help="Take bytes from the tree and from git alone.")
@lock_option
@profile_option
@json_option
def diff(
    base: str,
    *,
    made: bool,
    html: Path | None,
    markdown_path: Path | None,
    pictures: Path | None,
    everything: bool,
    no_store: bool,
    lock_path: Path,
    profile: str | None,
    as_json: bool,
) -> None:
    """Show the assets that differ from those of COMMIT.

    How much, where, why, and what they cost.

    Bytes come from the tree and from git where they are there, else from the store; an asset without bytes is
    listed all the same.
    """
    lock, root = read_lock(lock_path), root_of(lock_path)
    commit = None if made else resolve_commit(root, base)
    before, after = (lock, _made_last(lock, lock_path)) if made else (_lock_at(root, commit, lock_path), lock)
    changes = changed_assets(before, after, everything=everything)
    hidden = changed_assets(before, after, everything=True)
    both = after.changed(folder={**before.folder, **after.folder})
    with stores(profile) as ask:
        find = _nowhere if no_store else _patient(ask)
        found = report(changes, hidden, bytes_finder(root, commit, both, find))
    _write(found, html, markdown_path, "what was made last" if made else base)
    if pictures:
        count = write_pictures(pictures, found)
        click.echo(f"wrote {pictures / PAGE} and {count} pictures", err=True)
    if as_json:
        print_json({"changes": [row.document() for row in found.rows]})
    else:
        click.echo(text(found))


def _nowhere(_: str, __: BlobRef) -> bytes | None:
    return None


def _patient(ask: Find) -> Find:
    """Go on without a store that cannot be used, and ask it once only."""
    refused: set[str] = set()

    def find(profile: str, blob: BlobRef) -> bytes | None:
        if profile in refused:
            return None
        try:
            return ask(profile, blob)
        except (InvalidSettings, StoreUnavailable) as error:
            refused.add(profile)
            click.echo(f"the store of profile {profile} is left out: {error}", err=True)
            return None

    return find


def _lock_at(root: Path, commit: str | None, lock_path: Path) -> Lock:
    data = file_at(root, commit, lock_path.name) if commit else None
    return parse_lock(data, f"{lock_path.name} of {commit}") if data is not None else Lock()


def _made_last(lock: Lock, lock_path: Path) -> Lock:
    """Return the lock as `assetmill lock` would write it now for every folder."""
    for folder, block in sorted(lock.folder.items()):
        target = locked_target(lock, folder, root_of(lock_path), None)
        lock = lock_plan(lock, folder, target.plan(), block.plan, only=block.only)
    return lock


def _write(found: Report, html: Path | None, markdown_path: Path | None, base: str) -> None:
    if html:
        write_text(html, page(found, base))
        click.echo(f"wrote {html}", err=True)
    if markdown_path:
        write_text(markdown_path, markdown(found))
        click.echo(f"wrote {markdown_path}", err=True)
