"""`assetmill update`: spend for what is stale in the lock, and for nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from assetmill.cli.lock import bring, left_over, lock_json, said, said_left
from assetmill.cli.lock_option import lock_option, root_of
from assetmill.cli.lock_options import (
    Target,
    change_lock,
    changes,
    folder_options,
    locked_target,
    read_lock_or_new,
    save_lock,
    target_of,
)
from assetmill.cli.options import (
    Usd,
    exit_code_of,
    json_option,
    parameter_options,
    print_json,
    profile_option,
    read_parameters,
    usd,
)
from assetmill.cli.run_json import document
from assetmill.errors import InvalidInput
from assetmill.locking.checking import check_folder
from assetmill.locking.models import Lock
from assetmill.plan.plan import Plan
from assetmill.records import RunManifest

_SHOWN = 3


@click.command()
@click.argument("pipeline", required=False)
@parameter_options
@folder_options
@click.option("--budget", type=Usd(min=0), metavar="USD", help="Spend no more than this in all.")
@click.option("--pay-again", is_flag=True, help="Also make what is locked and lost from the store.")
@lock_option
@profile_option
@json_option
def update(
    pipeline: str | None,
    pairs: tuple[str, ...],
    file: str | None,
    *,
    out: str | None,
    only: tuple[str, ...],
    approve: str | None,
    budget: float | None,
    pay_again: bool,
    lock_path: Path,
    profile: str | None,
    as_json: bool,
) -> int:
    """Make what is stale in assets.lock, and write the lock.

    The files are brought into the tree.

    Without PIPELINE, everything in the lock. A pipeline that is not in the lock yet is added.
    """
    lock, root = read_lock_or_new(lock_path), root_of(lock_path)
    typed = read_parameters(pairs, file)
    if pipeline is None:
        if typed or out or only:
            raise InvalidInput("say which PIPELINE the parameters, --out and --only are for")
        targets = [locked_target(lock, folder, root, profile) for folder in sorted(lock.folder)]
        if not targets:
            raise InvalidInput(f"{lock_path} has nothing to update: name a PIPELINE")
    else:
        targets = [target_of(lock, root, pipeline, given=typed, out=out, only=only, profile=profile)]
    updating = _Updating(
        lock, lock_path, _Purse(budget), approve=approve, pays_again=pay_again, as_json=as_json
    )
    for target in targets:
        if code := updating.update(target):
            if as_json:
                print_json({"folders": updating.folders})
            return code
    # A merge may have left it unsorted, or with what was looked up again as it is.
    lock = change_lock(lock_path, lambda lock: lock).after
    synced, left = bring(lock, root, profile), left_over(lock, lock_path)
    if as_json:
        print_json({"folders": updating.folders, **vars(synced), "left": [item.path for item in left]})
    else:
        click.echo("\n".join([said(synced), *said_left(left)]))
    return 1 if synced.unknown else 0


class _Updating:
    """Updates one folder after the other, and remembers what became of each."""

    def __init__(
        self,
        lock: Lock,
        lock_path: Path,
        purse: _Purse,
        *,
        approve: str | None,
        pays_again: bool,
        as_json: bool,
    ) -> None:
        self._lock, self._lock_path, self._purse = lock, lock_path, purse
        self._approve, self._pays_again, self._as_json = approve, pays_again, as_json
        self.folders: list[dict[str, Any]] = []

    def update(self, target: Target) -> int:
        """Make what is stale in a folder and lock it; return the exit code, 0 when it went well."""
        if _is_as_locked(self._lock, target, root_of(self._lock_path)) and not self._approve:
            self._tell(f"{target.folder}: unchanged", folder=target.folder, status="unchanged", spent_usd=0.0)
            return 0
        plan, spent_usd = target.plan(), 0.0
        # What others made meanwhile, or another branch did, is in the store: no service is needed for it.
        if not all(stage.record for stage in plan.stages):
            if not self._pays_again:
                _check_that_nothing_is_lost(self._lock, target, plan)
            manifest = _run(target, self._purse)
            if manifest.status != "completed":
                self.folders.append({"folder": target.folder, **_ended(manifest)})
                run = f"the run {manifest.status} ({manifest.run_id})"
                click.echo(f"{target.folder}: {run}; the lock is as before", err=True)
                return exit_code_of(manifest.status, is_stopped=False)
            plan, spent_usd = target.plan(), manifest.spent_usd
        saved = save_lock(self._lock_path, target, plan, self._approve)
        self._lock = saved.after
        changed = changes(saved.before, saved.after)
        told = lock_json(self._lock_path, target.folder, saved)
        text = f"{target.folder}: {changed}; spent {usd(spent_usd)}"
        self._tell(text, status="updated", spent_usd=spent_usd, **told)
        return 0

    def _tell(self, text: str, **told: Any) -> None:
        self.folders.append(told)
        if not self._as_json:
            click.echo(text)


def _ended(manifest: RunManifest) -> dict[str, Any]:
    """Return how a run ended that did not complete: what a person or a script goes on with."""
    told = document(manifest)
    return {name: told[name] for name in ("status", "spent_usd", "run_id", "stages")}


def _is_as_locked(lock: Lock, target: Target, root: Path) -> bool:
    """Say whether a folder would be locked just as it is."""
    block = lock.folder.get(target.folder)
    is_same = block is not None and _same(block.plan.parameters, target.parameters)
    if not is_same or block is None or sorted(target.only) != block.only:
        return False
    return not check_folder(lock, target.folder, root, lambda _: target.settings)


def _same(locked: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    return {name: str(value) for name, value in locked.items()} == {n: str(v) for n, v in given.items()}


def _check_that_nothing_is_lost(lock: Lock, target: Target, plan: Plan) -> None:
    """Refuse to pay for stages that are as locked: they were paid for, only not into this store.

    Raises:
        InvalidInput: the store does not have them.
    """
    locked = {asset.fingerprint for asset in lock.assets_of(target.folder).values()}
    locked |= {block.fingerprint for block in lock.stages_of(target.folder).values()}
    waiting = [stage for stage in plan.stages if stage.record is None]
    lost = [stage.label for stage in waiting if stage.call and stage.call.fingerprint in locked]
    if lost:
        shown = ", ".join(lost[:_SHOWN]) + (", ..." if len(lost) > _SHOWN else "")
        raise InvalidInput(
            f"{len(lost)} stages of {target.folder} are as locked, but the store {target.settings.store_url} "
            f"does not have them ({shown}): use the store that they were made in (--profile, "
            "ASSETMILL_STORE_URL), or make them again with --pay-again"
        )


@dataclass
class _Purse:
    """What may still be spent; None is no ceiling."""

    left_usd: float | None


def _run(target: Target, purse: _Purse) -> RunManifest:
    from assetmill.api import run_with
    from assetmill.cli.terminal import watched
    from assetmill.money.budget import Ceiling
    from assetmill.stage.services import open_services

    scope = f"run/update-{uuid.uuid4().hex}"
    ceilings = () if purse.left_usd is None else (Ceiling(scope, purse.left_usd),)
    with open_services(target.settings, ceilings) as services:
        with watched() as screen:
            manifest = run_with(
                services, target.pipeline, target.parameters, say=screen.say, on_plan=screen.plan
            )
        if purse.left_usd is not None:
            purse.left_usd = max(0.0, purse.left_usd - services.budget.committed_usd(scope))
    return manifest
