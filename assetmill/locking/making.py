"""A lock's blocks from a plan whose stages are all finished. Spends nothing, asks the store nothing more."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assetmill.errors import InvalidInput
from assetmill.fingerprint import canonical
from assetmill.locking.deciding import deciding_digests
from assetmill.locking.models import GivenAsset, Lock, LockedAsset, LockedFolder, LockedStage, PlanRef
from assetmill.names import safe_name
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Plan, PlannedStage
from assetmill.plan.rounds import rejections_of
from assetmill.records import AssetRecord, StageRecord
from assetmill.spec.checks import template_of, variable_name
from assetmill.spec.pipeline import LoadedPipeline

_SHOWN = 3


def lock_plan(
    before: Lock,
    folder: str,
    plan: Plan,
    reference: PlanRef,
    *,
    only: Iterable[str] = (),
    approved: str | None = None,
) -> Lock:
    """Return `before` with a folder's blocks as the plan's finished stages are now.

    A file keeps the path that it had. An approval stays with the bytes that it was given for; `approved` is
    who approves them all now.

    Raises:
        InvalidInput: a stage is not finished, or `only` names one that is not there.
    """
    _check(plan, only)
    wanted = frozenset(only)
    blocks: list[LockedAsset] = []
    given: dict[str, GivenAsset] = {}
    listed: set[str] = set()
    for stage, call, record in _finished(plan):
        digests = deciding_digests(call)
        given |= _given(call, listed)
        for asset in record.outputs:
            # Two variants that ask for the same thing share what was made.
            if asset.role == "output" and asset.asset_id not in listed:
                listed.add(asset.asset_id)
                is_file = not wanted or stage.stage in wanted
                blocks.append(_asset_block(stage.label, asset, record, digests, is_file))
    assets = {
        path: block.model_copy(update={"approved": _approval(before, path, block, approved)})
        for path, block in _with_paths(blocks, before, folder)
    }
    rest = before.without(folder)
    return rest.changed(
        folder={**rest.folder, folder: LockedFolder(only=sorted(wanted), plan=reference)},
        stage={**rest.stage, **_stage_blocks(folder, plan)},
        given={**rest.given, **given},
        asset={**rest.asset, **assets},
    )


def _check(plan: Plan, only: Iterable[str]) -> None:
    known = [stage.name for stage in plan.pipeline.spec.stages]
    if unknown := [name for name in only if name not in known]:
        raise InvalidInput(
            f"{plan.name} has no stage {unknown[0]!r}, which --only names, now or in the lock; "
            f"there are: {', '.join(known)}"
        )
    if open_labels := [stage.label for stage in plan.stages if stage.record is None]:
        shown = ", ".join(open_labels[:_SHOWN]) + (", ..." if len(open_labels) > _SHOWN else "")
        raise InvalidInput(
            f"{len(open_labels)} of {len(plan.stages)} stages of {plan.name} are not finished ({shown}): "
            f"`assetmill update {plan.name}` makes them and writes the lock"
        )


def _finished(plan: Plan) -> Iterator[tuple[PlannedStage, StageCall, StageRecord]]:
    for stage in plan.stages:
        if stage.call and stage.record:
            yield stage, stage.call, stage.record


def _with_paths(blocks: list[LockedAsset], before: Lock, folder: str) -> Iterator[tuple[str, LockedAsset]]:
    """Give each output the path that it had, or a free one."""
    known = {(asset.stage, asset.output): path for path, asset in before.assets_of(folder).items()}
    now = {(block.stage, block.output) for block in blocks}
    taken = {path.lower() for key, path in known.items() if key in now}
    for block in blocks:
        path = known.pop((block.stage, block.output), None) or _free_path(folder, block.output, taken)
        taken.add(path.lower())
        yield path, block


def _free_path(folder: str, output: str, taken: set[str]) -> str:
    name = safe_name(output)
    stem, dot, extension = name.rpartition(".") if "." in name else (name, "", "")
    path, number = f"{folder}/{name}", 2
    while path.lower() in taken:
        path, number = f"{folder}/{stem}-{number}{dot}{extension}", number + 1
    return path


def _asset_block(
    label: str, asset: AssetRecord, record: StageRecord, digests: Mapping[str, str], in_tree: bool
) -> LockedAsset:
    cost = record.cost_usd
    return LockedAsset(
        stage=label,
        output=asset.name,
        kind=asset.kind,
        media_type=asset.blob.media_type.partition(";")[0],
        pixels=f"{asset.width}x{asset.height}" if asset.width else None,
        asset_id=asset.asset_id,
        in_tree=in_tree,
        deciding=dict(digests),
        fingerprint=record.fingerprint,
        rejections=[[fp, reason] for fp, reason in rejections_of(record)],
        stage_cost_usd=None if cost is None else round(cost, 6),
        size_bytes=asset.blob.size_bytes,
        sha256=asset.blob.digest.removeprefix("sha256:"),
    )


def _approval(before: Lock, path: str, block: LockedAsset, approved: str | None) -> str | None:
    old = before.asset.get(path)
    kept = old.approved if old and old.sha256 == block.sha256 else None
    if kept or not approved or not block.in_tree:
        return kept
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"{' '.join(approved.split())[:120]}, {day}"


def _stage_blocks(folder: str, plan: Plan) -> dict[str, LockedStage]:
    read = _stages_read_by_templates(plan.pipeline)
    blocks: dict[str, LockedStage] = {}
    for stage, call, record in _finished(plan):
        has_files = any(asset.role == "output" for asset in record.outputs)
        is_read = stage.stage in read
        words: dict[str, Any] = {"text": record.text, "data": _json(record)} if is_read else {}
        if is_read or not has_files:
            digests = deciding_digests(call)
            block = LockedStage(deciding=digests, fingerprint=record.fingerprint, **words)
            blocks[f"{folder}:{stage.label}"] = block
    return blocks


def _json(record: StageRecord) -> str | None:
    return None if record.data is None else canonical(record.data).decode()


def _stages_read_by_templates(pipeline: LoadedPipeline) -> frozenset[str]:
    names = {variable_name(stage.name): stage.name for stage in pipeline.spec.stages}
    found: set[str] = set()
    for stage in pipeline.spec.stages:
        for _, source in stage.texts():
            template = template_of(source) if "stages" in source else None
            if template and "stages" in template.names:
                words = template.attributes("stages")
                found |= {names.get(variable_name(word), word) for word in words} or set(names.values())
    return frozenset(found)


def _given(call: StageCall, made_here: set[str]) -> dict[str, GivenAsset]:
    """Return the stored assets that a call names by ID and no stage of this plan made."""
    return {
        str(entry.asset_id): GivenAsset(
            name=entry.name,
            kind="picture" if entry.blob.media_type.startswith("image/") else "data",
            media_type=entry.blob.media_type.partition(";")[0],
            size_bytes=entry.blob.size_bytes,
            sha256=entry.blob.digest.removeprefix("sha256:"),
        )
        for entry in call.inputs
        if entry.asset_id and entry.asset_id not in made_here
    }
