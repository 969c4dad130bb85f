"""What every `--json` prints: one model for each command's document, and the one for errors.

Fields are added, never taken away and never given another meaning. docs/json.md shows their JSON Schemas.
"""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]


class JsonDocument(BaseModel):
    """The one JSON document of a command."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Usd3Document(JsonDocument):
    """What something may cost, in US dollars."""

    low: float
    expected: float
    ceiling: float


class AssetDocument(JsonDocument):
    """A file that the store has; `reason` says why it is no output, "" for what is one."""

    asset_id: str
    name: str
    kind: str
    role: str
    media_type: str
    size_bytes: int
    digest: str
    width: int | None
    height: int | None
    pipeline: str
    stage: str
    variant: str
    reason: str = ""
    run_id: str
    response_id: str | None
    handles: list[Json]
    derived_from: list[str]
    created_at: float


class ErrorSaidDocument(JsonDocument):
    """An error: `kind` is its class, `rows` the rows of a table that cannot run."""

    kind: str
    message: str
    rows: list[Json] = Field(default_factory=list[Json])


class ErrorDocument(JsonDocument):
    """What any command prints when nothing came of it."""

    status: Literal["error"]
    error: ErrorSaidDocument


class RunStageDocument(JsonDocument):
    """What became of a stage in a run."""

    label: str
    stage: str
    variant: str
    status: str
    fingerprint: str | None
    spent_usd: float | None
    seconds: float | None
    error: str | None
    text: str | None
    responses: list[str]
    assets: list[str]


class RunDocument(JsonDocument):
    """A run that has ended; `files` are what `run` wrote, `kept` what failed stages left."""

    run_id: str
    pipeline: str
    status: str
    profile: str
    parameters: Json
    spent_usd: float
    started_at: float
    finished_at: float
    flow_run_id: str | None
    reused: int
    stages: list[RunStageDocument]
    assets: list[AssetDocument]
    files: list[str] = Field(default_factory=list[str])
    kept: list[Json] = Field(default_factory=list[Json])


class OpenRunDocument(JsonDocument):
    """A run that goes on, or was killed."""

    run_id: str
    status: Literal["open"]
    stages_done: list[str]


class RunsDocument(JsonDocument):
    """What `show` lists without a run; `batches` are those that are under way or were interrupted.

    Their `rows_done` and `spent_usd` are so many at least, and null where nothing tells of any.
    """

    runs: list[Json]
    batches: list[Json] = Field(default_factory=list[Json])


class PlanStageDocument(JsonDocument):
    """What a run would do with a stage."""

    label: str
    stage: str
    variant: str
    status: str
    needs: list[str]
    fingerprint: str | None
    cost_usd: Usd3Document | None
    reason: str
    lane: str | None = None


class PlanDocument(JsonDocument):
    """What a run would do and cost; `unpriced` stages are not in the cost."""

    pipeline: str
    path: str
    parameters: Json
    stages: list[PlanStageDocument]
    cost_usd: Usd3Document
    unpriced: int
    warnings: list[str]
    unknown: list[str] = Field(default_factory=list[str])
    quotas: list[Json] = Field(default_factory=list[Json])
    lanes: Json | None = None
    held_cost_usd: Usd3Document | None = None
    """What the stages may cost that are held until others are approved; no part of `cost_usd`."""


class BatchDocument(JsonDocument):
    """A batch that has ended, with every row."""

    batch_id: str
    run_id: str
    pipeline: str
    status: str
    reason: str | None
    profile: str
    spent_usd: float | None
    budget_usd: float | None
    started_at: float
    finished_at: float
    flow_run_id: str | None
    states: dict[str, int]
    rows: list[Json]


class BatchPlanDocument(JsonDocument):
    """What `batch --plan` finds."""

    batch_id: str
    pipeline: str
    rows: int
    bad_rows: list[Json]
    stages: dict[str, int]
    stages_to_run: int
    cost_usd: Usd3Document
    unpriced: int
    wanted: dict[str, Json]
    forecast: Json
    unknown: list[str] = Field(default_factory=list[str])
    defaults: Json = Field(default_factory=dict[str, Any])
    lanes: Json | None = None


class AssetsDocument(JsonDocument):
    """Assets of the store, or of a run; `run_id` is that of an import."""

    run_id: str | None = None
    assets: list[AssetDocument]


class ExportedDocument(JsonDocument):
    """What `export` wrote: of a run each file, of a batch counts."""

    directory: str
    files: list[Json] | int
    batch_id: str | None = None
    written: int | None = None
    rows: int | None = None
    faults: list[str] = Field(default_factory=list[str])
    missing: list[str] = Field(default_factory=list[str])


class AcceptedDocument(JsonDocument):
    """A stage with the output that a person chose."""

    stage: str
    decision: Json | None
    assets: list[AssetDocument]


class ApprovedDocument(JsonDocument):
    """Decisions about what a stage waits for."""

    pipeline: str
    stage: str
    decisions: list[Json]


class ResolvedDocument(JsonDocument):
    """What was decided about stages; `outcome` is `open` when nothing is.

    The fields beside `stages` are those of the first one that is open, else of the first one.
    """

    stage: str
    outcome: str
    text: str
    response_id: str | None
    stages: list[Json]


class EditDocument(JsonDocument):
    """An edit of an asset."""

    run_id: str
    status: str
    spent_usd: float
    results: list[Json]
    stages: list[Json]
    files: list[str] = Field(default_factory=list[str])
    lost: list[Json] = Field(default_factory=list[Json])


class CheckedDocument(JsonDocument):
    """Whether the tree matches its lock."""

    status: Literal["clean", "differs"]
    files: int
    problems: list[Json]


class LockedFolderDocument(JsonDocument):
    """What became of a folder of the lock; paths are from the lock file's folder."""

    lock: str
    folder: str
    files: list[str]
    added: list[str]
    changed: list[str]
    removed: list[str]


class SyncedDocument(JsonDocument):
    """What was brought into the tree; `unknown` are files whose bytes no store has."""

    written: list[str]
    replaced: list[str]
    unchanged: list[str]
    unknown: list[str]
    left: list[str]
    removed: list[str]


class UpdatedDocument(JsonDocument):
    """What an update did, folder by folder; what it brought is missing when it ended before that.

    Of the folder whose run did not complete: `run_id` and `stages`, as `run` shows them.
    """

    folders: list[Json]
    written: list[str] = Field(default_factory=list[str])
    replaced: list[str] = Field(default_factory=list[str])
    unchanged: list[str] = Field(default_factory=list[str])
    unknown: list[str] = Field(default_factory=list[str])
    left: list[str] = Field(default_factory=list[str])


class FindingsDocument(JsonDocument):
    """What `doctor` found."""

    findings: list[Json]
    problems: int


class DeployedDocument(JsonDocument):
    """Deployments, and how the project's own Prefect is reached; None where it is the caller's."""

    deployments: list[Json]
    prefect: dict[str, str] | None


class BegunDocument(JsonDocument):
    """A folder that is a project now: what was written, what was there already, and the next command."""

    root: str
    written: list[str]
    kept: list[str]
    next: str


class ManPagesDocument(JsonDocument):
    """The manual pages that were written."""

    directory: str
    files: list[str]


class StoppedDocument(JsonDocument):
    """Which services were ended."""

    services: list[Json]


class PipelinesDocument(JsonDocument):
    """The project's pipelines."""

    pipelines: list[Json]


class LintedDocument(JsonDocument):
    """What is worth a second look."""

    pipeline: str
    warnings: list[Json]


class SpentDocument(JsonDocument):
    """What was spent, by group; `unknown` counts what has no known cost."""

    model_config = ConfigDict(frozen=True, extra="allow")

    by: str
    groups: list[Json]
    total_usd: float
    unknown: int


class LineageDocument(JsonDocument):
    """An asset's family."""

    asset_id: str
    is_cut: bool
    assets: list[Json]
    edges: list[Json]


class SheetDocument(JsonDocument):
    """A contact sheet that was written."""

    batch_id: str
    file: str


class ChangesDocument(JsonDocument):
    """What differs between two locks."""

    changes: list[Json]


class BillDocument(JsonDocument):
    """What a real service would have charged."""

    charges: list[Json]


class ExpiredDocument(JsonDocument):
    """How many things of each kind the emulator forgot."""

    expired: dict[str, int]


class ServingDocument(JsonDocument):
    """How a running emulator is reached."""

    endpoint: str
    environment: dict[str, str]


class OpenDocument(JsonDocument):
    """A document whose fields are those of a record; see the command's help."""

    model_config = ConfigDict(frozen=True, extra="allow")
