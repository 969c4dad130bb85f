"""Whether two machines would make the same of a batch: what decides its stages, told by the stages' names.

A pipeline file does not say it all: a function, a style, a picture, the profile's models and the version of
this program decide too. What was made meanwhile does not count, so that a machine may come late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from assetmill.batches.opening import Batch
from assetmill.batches.row_plans import Planner, RowPlan
from assetmill.errors import InvalidSettings
from assetmill.fingerprint import Digest, canonical, digest


def terms_of(batch: Batch) -> dict[str, Digest]:
    """Return for each stage, by its name, a digest of what decides it in all rows."""
    told: dict[str, list[str]] = {}
    drafted = set[tuple[str, ...]]()
    for plan in batch.plans:
        for stage, part in _parts(batch.planner, plan, drafted):
            told.setdefault(stage, []).append(part)
    return {stage: digest(canonical(parts)) for stage, parts in told.items()}


def check_terms(batch: Batch, asked: Mapping[str, Digest]) -> None:
    """Make sure that this machine would make what the one that planned a batch has planned.

    Raises:
        InvalidSettings: it would make something else, or cannot make it.
    """
    if fault := next((plan for plan in batch.plans if plan.fault), None):
        raise InvalidSettings(f"row {fault.row.name} cannot run here: {fault.fault}")
    ours = terms_of(batch)
    others = sorted(stage for stage in {*asked, *ours} if asked.get(stage) != ours.get(stage))
    if others:
        stages = f"stage{'s' if len(others) > 1 else ''} {', '.join(map(repr, others))}"
        uses = "its file is the same, so it is a function, a style, a picture, the profile or a version"
        raise InvalidSettings(
            f"{batch.pipeline.path} would make something else of {stages} here than batch {batch.batch_id} "
            f"has planned ({uses}): bring this machine up to date"
        )


def _parts(planner: Planner, plan: RowPlan, drafted: set[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """Yield what decides the stages of a row: those that follow none in every row, others once."""
    planned = planner.plan_of(plan.row).stages
    labels = tuple(stage.label for stage in planned)
    is_new = labels not in drafted
    drafted.add(labels)
    in_rounds = {stage.name for stage in planner.pipeline.spec.stages if stage.needs_approval}
    for stage, found in zip(planned, plan.stages, strict=True):
        if not stage.needs and stage.stage not in in_rounds:
            yield stage.stage, found.first or found.identity
        elif is_new:
            yield stage.stage, digest(canonical(planner.draft(plan.row, stage.label).deciding()))
