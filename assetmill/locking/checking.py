"""What no longer matches a lock file: asks the working tree, and neither a network nor a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from assetmill.errors import AssetmillError, InvalidInput, NotFound
from assetmill.locking.approving import unapproved
from assetmill.locking.deciding import changed_fields, deciding_digests
from assetmill.locking.models import Lock, LockedAsset
from assetmill.locking.offline_plan import deciding_by_label, pipeline_of, records_by_label, replan
from assetmill.locking.paths import FileState, file_state
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Cost, Plan, PlannedStage
from assetmill.plan.rounds import asked_of
from assetmill.records import StageRecord
from assetmill.reviews.reviewers import Reviewers
from assetmill.settings import Settings
from assetmill.spec.approvals import ApprovalSpec
from assetmill.spec.loading import load_pipeline

ProblemKind = Literal["invalid", "stale", "new", "left_over", "missing", "altered", "unapproved"]
SettingsFor = Callable[[str], Settings]

_READERS = 4
"""Hashing leaves Python's lock, so two cores help; more readers than that only wait for the disk."""


@dataclass(frozen=True)
class Problem:
    """Something that does not match. `paths` are the files that it is about.

    `changed` names the deciding fields of a stale stage; `where` the line of the pipeline file that holds the
    first of them. `cost` is what making it anew may cost, None when that is unknown or nothing is made.
    """

    kind: ProblemKind
    folder: str
    stage: str
    paths: tuple[str, ...]
    changed: tuple[str, ...]
    message: str
    where: str = ""
    cost: Cost | None = None


def check_lock(
    lock: Lock,
    root: Path,
    settings_for: SettingsFor,
    *,
    with_files: bool = True,
    approvals: int = 0,
    reviewers: Reviewers | None = None,
) -> tuple[Problem, ...]:
    """Return everything that does not match, stages first, then files, each sorted by path.

    `approvals` is how many reviewers must have approved each file; 0 asks for none.
    """
    found: list[Problem] = []
    for folder in sorted(lock.folder):
        found += check_folder(lock, folder, root, settings_for)
    if with_files:
        found += check_files(lock, root)
    if approvals:
        terms = {k: v for folder in lock.folder for k, v in terms_of(lock, folder, root, settings_for)}
        found += _unapproved(lock, reviewers or {}, approvals, terms)
    return tuple(found)


def check_folder(lock: Lock, folder: str, root: Path, settings_for: SettingsFor) -> tuple[Problem, ...]:
    """Return the stages of a folder that would be made anew, and why."""
    try:
        plan = replan(lock, folder, root, settings_for(lock.folder[folder].plan.profile))
    except InvalidInput as error:
        is_gone = isinstance(error, NotFound) and error.kind.startswith("pipeline")
        hint = f"; `assetmill lock --drop {folder}` takes its files out of the lock" if is_gone else ""
        return (Problem("invalid", folder, "", (), (), f"{error}{hint}"),)
    return tuple(_LockCheck(lock, folder, plan, root).problems())


def check_files(lock: Lock, root: Path) -> tuple[Problem, ...]:
    """Return the files of the tree that are not there or have other bytes."""
    wanted = sorted(lock.in_tree().items())

    def state_of(entry: tuple[str, LockedAsset]) -> FileState:
        return file_state(root, entry[0], entry[1].sha256)

    with ThreadPoolExecutor(_READERS) as pool:
        states = pool.map(state_of, wanted)
        return tuple(
            Problem(state, path.rpartition("/")[0], asset.stage, (path,), (), "")
            for (path, asset), state in zip(wanted, states, strict=True)
            if state != "there"
        )


def terms_of(
    lock: Lock, folder: str, root: Path, settings_for: SettingsFor
) -> Iterator[tuple[str, ApprovalSpec]]:
    """Yield the terms that a folder's pipeline sets for its files, by asset ID."""
    locked = lock.folder[folder].plan
    try:
        loaded = load_pipeline(pipeline_of(lock.folder[folder], root), settings_for(locked.profile).configs)
    except InvalidInput:
        return  # what is wrong with it is a problem of its own
    records = records_by_label(lock, folder, loaded.name)
    for spec in loaded.spec.stages:
        for record in records.values():
            if record.stage == spec.name:
                yield from ((asset.asset_id, terms) for asset, terms in asked_of(spec, record))


def _unapproved(
    lock: Lock, reviewers: Reviewers, count: int, terms: Mapping[str, ApprovalSpec]
) -> Iterator[Problem]:
    for path, asset, reason in unapproved(lock, reviewers, count, terms):
        yield Problem("unapproved", path.rpartition("/")[0], asset.stage, (path,), (), reason)


class _LockCheck:
    """One folder's plan beside its lock."""

    def __init__(self, lock: Lock, folder: str, plan: Plan, root: Path) -> None:
        self.lock, self.folder, self.plan, self.root = lock, folder, plan, root
        self.deciding = deciding_by_label(lock, folder)
        self.paths: dict[str, list[str]] = {}
        for path, asset in sorted(lock.assets_of(folder).items()):
            self.paths.setdefault(asset.stage, []).append(path)

    @cached_property
    def records(self) -> Mapping[str, StageRecord]:
        """What the lock says that each stage made; asked for only when something differs."""
        return records_by_label(self.lock, self.folder, self.plan.name)

    def problems(self) -> Iterator[Problem]:
        for stage in self.plan.stages:
            if stage.record is None:
                yield self._changed(stage)
            elif stage.call and (problem := self._incomplete(stage, stage.call, stage.record)):
                yield problem
        labels = {stage.label for stage in self.plan.stages}
        for label in sorted({*self.paths, *self.deciding} - labels):
            yield self._problem("left_over", label, "the pipeline does not make it any more")

    def _changed(self, stage: PlannedStage) -> Problem:
        locked = self.deciding.get(stage.label)
        if locked is None:
            return self._problem("new", stage.label, "is not in the lock", cost=stage.cost)
        upstream = f"is made from {stage.after[0]}, which is not as locked" if stage.after else ""
        call = stage.call or self._bound(stage.label)
        if call is None or call.fingerprint == self.records[stage.label].fingerprint:
            return self._problem("stale", stage.label, upstream, cost=stage.cost)
        changed = changed_fields(locked, deciding_digests(call))
        message = ", ".join(changed) + " changed" + (f"; {upstream}" if upstream else "")
        problem = self._problem("stale", stage.label, message, cost=stage.cost)
        return replace(problem, changed=changed, where=self._where(stage, changed[0]))

    def _incomplete(self, stage: PlannedStage, call: StageCall, record: StageRecord) -> Problem | None:
        expected = sum(output.count for output in call.outputs)
        if len(record.outputs) >= expected:
            return None
        message = f"the lock has {len(record.outputs)} of its {expected} files"
        return self._problem("stale", stage.label, message)

    def _bound(self, label: str) -> StageCall | None:
        """Return what a stage would be asked if the stages before it were as locked; None if that is open."""
        try:
            return self.plan.bind(label, self.records)
        except (AssetmillError, KeyError):
            return None

    def _where(self, stage: PlannedStage, field: str) -> str:
        """Return file and line of a field, as far as the pipeline file itself has it."""
        document = self.plan.pipeline.document
        names = [spec.name for spec in self.plan.pipeline.spec.stages]
        part, _, name = field.removesuffix(" (new)").partition(".")
        is_shared = part == "knowledge"
        line = document.line((part, name) if is_shared else ("stages", names.index(stage.stage), part))
        path = os.path.relpath(document.path, self.root)
        return f"{path}:{line}" if line else path

    def _problem(self, kind: ProblemKind, label: str, message: str, *, cost: Cost | None = None) -> Problem:
        paths = tuple(self.paths.get(label, ()))
        return Problem(kind, self.folder, label, paths, (), message, cost=cost)
