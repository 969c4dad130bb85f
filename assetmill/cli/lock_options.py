"""What the commands around a lock file share: which file, which folder, which plan, which store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from assetmill.cli.lock_option import root_of
from assetmill.cli.options import opened_backend, opened_ledger
from assetmill.errors import InvalidInput
from assetmill.holding import held
from assetmill.locking.approving import with_reviews
from assetmill.locking.lockfile import ask_for_union, mend_lock, write_lock
from assetmill.locking.making import lock_plan
from assetmill.locking.models import Lock, PlanRef
from assetmill.locking.offline_plan import is_path, pipeline_of, pipeline_written
from assetmill.locking.paths import tidy_folder
from assetmill.plan.plan import Plan
from assetmill.records import AssetId, BlobRef
from assetmill.reviews.desk import Desk
from assetmill.reviews.ledger import ReviewLedger
from assetmill.reviews.reviewers import read_reviewers
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import Settings, load_settings
from assetmill.spec.loading import load_pipeline
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger

F = TypeVar("F", bound=Callable[..., Any])


def folder_options(command: F) -> F:
    """Add what says which files go where."""
    command = click.option(
        "--only", multiple=True, metavar="STAGE", help="Put only this stage's files into the tree."
    )(command)
    command = click.option(
        "--out", metavar="DIR", help="The folder of the tree for the files; assets/PIPELINE by default."
    )(command)
    return click.option(
        "--approve",
        metavar="NAME",
        help="Say that NAME approves the folder's files; signed where the project has reviewers.",
    )(command)


def read_lock_or_new(path: Path, *, tells: bool = True) -> Lock:
    """Read a lock file, even as a merge left it; one that is not there yet is empty."""
    if not path.exists():
        return Lock()
    lock, missing = mend_lock(path)
    if missing and tells:
        click.echo(
            f"{path}: both sides of a merge changed {len(missing)} of its blocks; they are looked up again",
            err=True,
        )
    return lock


@dataclass(frozen=True)
class Target:
    """A folder of the tree and how it is planned. `pipeline` is its name or a path from here."""

    folder: str
    pipeline: str
    parameters: Mapping[str, Any]
    only: tuple[str, ...]
    settings: Settings

    def plan(self) -> Plan:
        """Plan against the store, where the newest finished records are."""
        with opened_ledger(self.settings) as ledger:
            return plan_pipeline(self.pipeline, self.parameters, self.settings, ledger)


def target_of(
    lock: Lock,
    root: Path,
    pipeline: str,
    *,
    given: Mapping[str, Any],
    out: str | None,
    only: tuple[str, ...],
    profile: str | None,
) -> Target:
    """Return what is meant by a pipeline: as given, and where nothing is, as the lock says already.

    Raises:
        InvalidInput: the folder belongs to another pipeline, or the lock has several for this one.
        NotFound: no such pipeline.
    """
    here, written = _named(pipeline, lock, root)
    mine = [folder for folder, block in lock.folder.items() if block.plan.pipeline == written]
    if out is None and len(mine) > 1:
        raise InvalidInput(f"the lock has {pipeline} in {', '.join(mine)}: say which with --out")
    name = load_pipeline(here, load_settings(profile).configs).name
    folder = tidy_folder(out, root) if out else mine[0] if mine else f"assets/{name}"
    old = lock.folder.get(folder)
    if old and old.plan.pipeline != written:
        raise InvalidInput(f"folder {folder} belongs to {old.plan.pipeline}: choose another with --out")
    settings = load_settings(profile or (old.plan.profile if old else None))
    parameters = dict(given) or (dict(old.plan.parameters) if old else {})
    return Target(folder, here, parameters, only or (tuple(old.only) if old else ()), settings)


def locked_target(lock: Lock, folder: str, root: Path, profile: str | None) -> Target:
    """Return a folder of the lock as it is planned there."""
    block = lock.folder[folder]
    settings = load_settings(profile or block.plan.profile)
    return Target(folder, pipeline_of(block, root), block.plan.parameters, tuple(block.only), settings)


def _named(pipeline: str, lock: Lock, root: Path) -> tuple[str, str]:
    """Return a pipeline as it is found from here and as a lock writes it.

    The name of a pipeline that the lock has by its path means that one.
    """
    if not is_path(pipeline):
        for block in lock.folder.values():
            path = block.plan.pipeline
            if is_path(path) and Path(path).stem == pipeline:
                return str(root / path), path
    return pipeline, pipeline_written(pipeline, root)


@dataclass(frozen=True)
class Saved:
    """A lock as it was found when it was written, and as it is now."""

    before: Lock
    after: Lock


def change_lock(lock_path: Path, change: Callable[[Lock], Lock]) -> Saved:
    """Write a lock with a change; what another command wrote since it was read last is kept.

    Raises:
        InvalidInput: it cannot be written.
    """
    with held(root_of(lock_path)):
        before = read_lock_or_new(lock_path, tells=False)
        after = change(before)
        write_lock(lock_path, after)
        is_asked = ask_for_union(lock_path)
    if is_asked:
        click.echo(f".gitattributes: git merges {lock_path.name} block by block", err=True)
    return Saved(before, after)


def save_lock(lock_path: Path, target: Target, plan: Plan, approved: str | None = None) -> Saved:
    """Write a plan's finished stages into the lock file.

    Raises:
        InvalidInput: a stage is not finished, or the folder was given to another pipeline meanwhile.
    """
    return change_lock(lock_path, lambda before: _with(before, lock_path, target, plan, approved))


def _with(before: Lock, lock_path: Path, target: Target, plan: Plan, approved: str | None) -> Lock:
    root = root_of(lock_path)
    reference = PlanRef(
        pipeline=_named(target.pipeline, before, root)[1],
        profile=target.settings.profile,
        # As the pipeline typed them: a command line gives text.
        parameters={name: plan.parameters[name] for name in target.parameters},
    )
    old = before.folder.get(target.folder)
    if old and old.plan.pipeline != reference.pipeline:
        raise InvalidInput(
            f"folder {target.folder} belongs to {old.plan.pipeline}: choose another with --out"
        )
    made = lock_plan(before, target.folder, plan, reference, only=target.only, approved=approved)
    return _with_reviews(made, before, target, approved)


def _with_reviews(made: Lock, before: Lock, target: Target, approved: str | None) -> Lock:
    """Bring what reviewers said of a folder's files into the lock; `approved` signs them all first."""
    reviewers = read_reviewers(target.settings.configs)
    if not reviewers:
        return made
    with opened_backend(target.settings) as backend:
        desk = Desk(reviewers, ReviewLedger(backend), target.settings.home)
        ledger = Ledger(backend)
        for asset in made.assets_of(target.folder).values() if approved else ():
            found = ledger.read_asset(AssetId(asset.asset_id))
            if approved and found and asset.in_tree and approved not in desk.standing(asset.sha256).approvers:
                desk.say("approved", found, approved, seen=asset.sha256, fingerprint=asset.fingerprint)
        return with_reviews(made, target.folder, before, desk.told())


def changes(before: Lock, after: Lock) -> str:
    """Return in a few words how the files of a lock changed."""
    old, new = before.in_tree(), after.in_tree()
    added, removed = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    changed = sum(new[path].sha256 != old[path].sha256 for path in new.keys() & old.keys())
    words = ((added, "new"), (changed, "changed"), (removed, "removed"))
    return ", ".join(f"{count} {word}" for count, word in words if count) or "no file changed"


@contextmanager
def stores(profile: str | None = None) -> Generator[Callable[[str, BlobRef], bytes | None]]:
    """Find blobs in the stores of the profiles that a lock names, or all of them in one profile's."""
    with ExitStack() as stack:
        opened: dict[str, Blobs] = {}

        def find(locked: str, blob: BlobRef) -> bytes | None:
            name = profile or locked
            if name not in opened:
                opened[name] = Blobs(stack.enter_context(opened_backend(load_settings(name))))
            return opened[name].find(blob)

        yield find
