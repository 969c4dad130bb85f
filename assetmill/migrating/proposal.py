"""What a migration would do: which files and stages change, and what the sample costs. Spends nothing."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from assetmill.agents.told import told_ends
from assetmill.errors import InvalidInput
from assetmill.fingerprint import Fingerprint
from assetmill.migrating.measuring import Measured, Past, measured, past_of
from assetmill.migrating.pins import Pinning, Pins
from assetmill.migrating.profile_pins import profile_file, profile_text, with_pins
from assetmill.migrating.questions import Answers
from assetmill.migrating.sampling import needed_for, pick
from assetmill.migrating.splicing import spliced
from assetmill.migrating.target import NewModel
from assetmill.models.radar import is_gone
from assetmill.money.price_table import Prices
from assetmill.money.prices import estimate, prices_for
from assetmill.plan.binder import ProfileDefaults
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import FREE, Cost, Plan, PlannedStage, make_plan
from assetmill.runs.planning import plan_loaded
from assetmill.settings import Settings
from assetmill.spec.loading import check_document, load_pipeline
from assetmill.spec.pipeline import LoadedPipeline
from assetmill.spec.reading import parse_yaml
from assetmill.store.ledger import Ledger

_ALWAYS = datetime.date.min
"""The pipeline as it is may name a model that is gone: that is why somebody migrates."""


@dataclass(frozen=True)
class FileChange:
    """A file with its bytes before and after."""

    path: Path
    before: bytes
    after: bytes

    def diff(self, shown: str) -> list[str]:
        """Return the difference as lines of a unified diff."""
        before, after = (side.decode("utf-8").splitlines() for side in (self.before, self.after))
        return list(difflib.unified_diff(before, after, shown, shown, lineterm="", n=1))


@dataclass(frozen=True)
class Side:
    """A pipeline with one of its models: its calls, its plan against the store, what a whole run costs."""

    plan: Plan
    calls: Mapping[str, StageCall]
    run_cost: Cost
    prices: Prices

    def stages_for(self, labels: Sequence[str]) -> Plan:
        """Return the plan of these stages and what they need, and of nothing else."""
        return replace(self.plan, stages=needed_for(self.plan, labels))

    def measured(self, stage: PlannedStage, took: Mapping[str, Past]) -> Measured:
        """Return what a stage is expected to cost, by what it took with the model before."""
        return measured(stage, self.calls[stage.label], took.get(stage.label), self.prices)

    def model_of(self, label: str) -> str:
        """Return the model that a stage's pin names."""
        call = self.calls[label]
        drawn = [str(tool["model"]) for tool in call.tools if tool["type"] == "image_generation"]
        return f"{call.model}, {drawn[0]}" if drawn else call.model


@dataclass(frozen=True)
class PipelineProposal:
    """One pipeline that changes.

    `picked` are the stages of the sample, `undrawn` those of them of which nothing before can be shown.
    """

    pipeline: LoadedPipeline
    before: Side
    after: Side
    changed: tuple[str, ...]
    picked: tuple[str, ...]
    undrawn: tuple[str, ...]
    file: FileChange | None
    took: Mapping[str, Past]
    """What stages have taken with the model before, by label."""

    @cached_property
    def before_sample(self) -> Plan:
        """What is needed for the pictures before."""
        return self.before.stages_for([label for label in self.picked if label not in self.undrawn])

    @cached_property
    def after_sample(self) -> Plan:
        """What is needed for the pictures after."""
        return self.after.stages_for(self.picked)

    @property
    def costs(self) -> tuple[Cost, Cost]:
        """What the pictures before cost that are not there, and those after. What serves both counts once."""
        fresh = {stage.label for stage in self.before_sample.stages if stage.record is None}
        shared = {label for label in fresh if self._is_the_same(label)}
        later = [stage for stage in self.after_sample.stages if stage.label not in shared]
        return _sum(self.before_sample.stages), _sum(later)

    @property
    def measured(self) -> Measured:
        """What the same pictures are expected to cost, by what their stages took before."""
        fresh = {stage.label for stage in self.before_sample.stages if stage.record is None}
        shared = {label for label in fresh if self._is_the_same(label)}
        parts = [
            *(self.before.measured(stage, self.took) for stage in self.before_sample.stages),
            *(
                self.after.measured(stage, self.took)
                for stage in self.after_sample.stages
                if stage.label not in shared
            ),
        ]
        return sum(parts, Measured())

    def _is_the_same(self, label: str) -> bool:
        sides = [plan_call(side.plan, label) for side in (self.before, self.after)]
        return sides[0] is not None and sides[0] == sides[1]


def _sum(stages: Sequence[Any]) -> Cost:
    unknown = Cost(0.0, 0.0, 0.0, ("a stage without a price",))
    return sum((unknown if stage.cost is None else stage.cost for stage in stages), FREE)


def plan_call(plan: Plan, label: str) -> Fingerprint | None:
    """Return the fingerprint of a stage whose call is known already."""
    call = next(stage.call for stage in plan.stages if stage.label == label)
    return call.fingerprint if call else None


@dataclass(frozen=True)
class Proposal:
    """Everything that a migration would do. `notes` are what a person should know."""

    target: NewModel
    pipelines: tuple[PipelineProposal, ...]
    looked_at: tuple[str, ...]
    files: tuple[FileChange, ...]
    notes: tuple[str, ...]

    @property
    def cost(self) -> Cost:
        """What drawing the sample costs."""
        return sum((cost for one in self.pipelines for cost in one.costs), FREE)

    @property
    def measured(self) -> Measured:
        """What drawing the sample is expected to cost, by what its stages took before."""
        return sum((one.measured for one in self.pipelines), Measured())


@dataclass
class Proposing:
    """Makes the proposal for some pipelines; `ledger` None counts nothing as made.

    `whole`: all of the project's pipelines, so that the profile's own pin may change.
    """

    settings: Settings
    ledger: Ledger | None
    target: NewModel
    answers: Answers
    root: Path
    today: datetime.date
    whole: bool

    def propose(self, names: Sequence[str], parameters: Mapping[str, Any], sample: int) -> Proposal:
        """Return what would change, and what the sample would cost.

        Raises:
            InvalidInput: a pipeline, a parameter or an answer is not valid, or a file is outside the project.
        """
        self.notes: dict[str, None] = {}
        loaded = [load_pipeline(name, self.settings.configs) for name in names]
        self._check_parameters(loaded, parameters)
        found: list[tuple[LoadedPipeline, Side, Pins, Mapping[str, Any]]] = []
        for pipeline in loaded:
            given = {k: v for k, v in parameters.items() if k in pipeline.spec.parameters}
            before = self._side(pipeline, given, self.settings, _ALWAYS)
            found.append((pipeline, before, self._pins(pipeline, before), given))
        profile = self._profile([pins for _, _, pins, _ in found])
        if self.answers.open:
            return Proposal(self.target, (), tuple(one.name for one in loaded), (), tuple(self.notes))
        settings = with_pins(self.settings, profile)
        drafts = [
            draft for one in found if (draft := self._changed(one[0], one[1], one[2], one[3], settings))
        ]
        picked = self._picked(drafts, sample)
        pipelines = tuple(self._with_sample(draft, picked) for draft in drafts)
        files = [one.file for one in pipelines if one.file]
        if profile:
            path, before_text, after_text = profile_text(self.settings, profile)
            files.append(FileChange(path, before_text, after_text))
        for file in files:
            self._check_inside(file)
        names_seen = tuple(one.name for one in loaded)
        return Proposal(self.target, pipelines, names_seen, tuple(files), tuple(self.notes))

    def _side(
        self, pipeline: LoadedPipeline, given: Mapping[str, Any], settings: Settings, day: datetime.date
    ) -> Side:
        calls: dict[str, StageCall] = {}
        prices = prices_for(settings)
        priced = partial(estimate, prices=prices)

        def noted(call: StageCall, coming: int) -> Cost | None:
            calls[call.label] = call
            return priced(call, coming=coming)

        # Asked as if nothing were made: every stage's call is met, and the sum is that of a whole run.
        bare = make_plan(
            pipeline,
            given,
            defaults=ProfileDefaults.of(settings, told_ends(settings.home, settings.foundry.endpoint)),
            assets=self._asset,
            estimate=noted,
            today=day,
        )
        plan = plan_loaded(pipeline, given, settings, self.ledger, day)
        return Side(plan, calls, bare.cost, prices)

    def _asset(self, asset_id: Any) -> Any:
        from assetmill.runs.planning import KnownStages

        return KnownStages(self.ledger, "").asset(asset_id)

    def _pins(self, pipeline: LoadedPipeline, before: Side) -> Pins:
        pinning = Pinning(
            pipeline,
            list(before.calls.values()),
            self.settings.foundry,
            self.target,
            prices_for(self.settings),
            self.answers,
            self.notes,
            writes_profile=self.whole and profile_file(self.settings, self.root) is not None,
        )
        return pinning.pins()

    @staticmethod
    def _profile(pins: Sequence[Pins]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for one in pins:
            found |= one.profile
        return found

    def _changed(
        self,
        pipeline: LoadedPipeline,
        before: Side,
        pins: Pins,
        given: Mapping[str, Any],
        settings: Settings,
    ) -> PipelineProposal | None:
        source = pipeline.document.source
        written = spliced(pipeline.document, pins.changes) if pins.changes else source
        moved = check_document(parse_yaml(pipeline.path, written), self.settings.configs)
        after = self._side(moved, given, settings, self.today)
        # Two rows that come to ask for the same thing are one stage from then on.
        changed = tuple(
            label
            for label, call in before.calls.items()
            if label in after.calls and _decides(call) != _decides(after.calls[label])
        )
        if not changed:
            return None
        self.notes |= dict.fromkeys(after.plan.warnings)
        file = FileChange(pipeline.path, source, written) if pins.changes else None
        return PipelineProposal(
            pipeline, before, after, changed, (), (), file, past_of(before.plan, self._asset)
        )

    def _picked(self, drafts: Sequence[PipelineProposal], sample: int) -> set[tuple[str, str]]:
        groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for draft in drafts:
            for label in draft.changed:
                key = draft.pipeline.name, draft.after.calls[label].stage
                groups.setdefault(key, []).append((draft.pipeline.name, label))
        return set(pick(groups, sample))

    def _with_sample(self, draft: PipelineProposal, picked: set[tuple[str, str]]) -> PipelineProposal:
        name = draft.pipeline.name
        labels = tuple(label for label in draft.changed if (name, label) in picked)
        undrawn = tuple(label for label in labels if self._cannot_draw(draft.before, label))
        return replace(draft, picked=labels, undrawn=undrawn)

    def _cannot_draw(self, before: Side, label: str) -> bool:
        """Whether a picture before is not there, and no provider draws it any more."""
        stages = needed_for(before.plan, [label])
        if all(stage.record for stage in stages):
            return False
        models = {
            name
            for stage in stages
            if stage.record is None
            for name in before.model_of(stage.label).split(", ")
            if stage.label in before.calls
        }
        return any(is_gone(name, self.settings, self.today) for name in models)

    def _check_parameters(self, loaded: Sequence[LoadedPipeline], parameters: Mapping[str, Any]) -> None:
        known = {name for one in loaded for name in one.spec.parameters}
        for name in parameters:
            if name not in known:
                raise InvalidInput(f"no pipeline that is looked at has a parameter {name!r}")

    def _check_inside(self, file: FileChange) -> None:
        if not file.path.resolve().is_relative_to(self.root.resolve()):
            lines = [line for line in file.diff(str(file.path)) if line.startswith(("+ ", "- ", "+", "-"))]
            said = "\n".join(lines[2:])
            raise InvalidInput(f"{file.path} is outside of the project {self.root}: change it there\n{said}")


def _decides(call: StageCall) -> tuple[Any, ...]:
    """Return what of a call a migration may change."""
    tools = [tool for tool in call.tools if tool["type"] == "image_generation"]
    return call.model, call.image_deployment, call.effort, tools
