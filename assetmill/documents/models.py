"""What every `--json` prints: one model for each command's document, and the one for errors.

Fields are added, never taken away and never given another meaning. docs/json.md shows their JSON Schemas.
"""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]


class Document(BaseModel):
    """The one JSON document of a command."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Usd3(Document):
    """What something may cost, in US dollars."""

    low: float
    expected: float
    ceiling: float


class Asset(Document):
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


class ErrorSaid(Document):
    """An error: `kind` is its class, `rows` the rows of a table that cannot run."""

    kind: str
    message: str
    rows: list[Json] = Field(default_factory=list[Json])


class Error(Document):
    """What any command prints when nothing came of it."""

    status: Literal["error"]
    error: ErrorSaid


class RunStage(Document):
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


class Run(Document):
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
    stages: list[RunStage]
    assets: list[Asset]
    files: list[str] = Field(default_factory=list[str])
    kept: list[Json] = Field(default_factory=list[Json])


class OpenRun(Document):
    """A run that goes on, or was killed."""

    run_id: str
    status: Literal["open"]
    stages_done: list[str]


class Runs(Document):
    """What `show` lists without a run."""

    runs: list[Json]


class PlanStage(Document):
    """What a run would do with a stage."""

    label: str
    stage: str
    variant: str
    status: str
    needs: list[str]
    fingerprint: str | None
    cost_usd: Usd3 | None
    reason: str


class Plan(Document):
    """What a run would do and cost; `unpriced` stages are not in the cost."""

    pipeline: str
    path: str
    parameters: Json
    stages: list[PlanStage]
    cost_usd: Usd3
    unpriced: int
    warnings: list[str]


class Batch(Document):
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


class BatchPlan(Document):
    """What `batch --plan` finds."""

    batch_id: str
    pipeline: str
    rows: int
    bad_rows: list[Json]
    stages: dict[str, int]
    stages_to_run: int
    cost_usd: Usd3
    unpriced: int
    wanted: dict[str, Json]
    forecast: Json


class Assets(Document):
    """Assets of the store, or of a run; `run_id` is that of an import."""

    run_id: str | None = None
    assets: list[Asset]


class Exported(Document):
    """What `export` wrote: of a run each file, of a batch counts."""

    directory: str
    files: list[Json] | int
    batch_id: str | None = None
    written: int | None = None
    rows: int | None = None
    faults: list[str] = Field(default_factory=list[str])


class Accepted(Document):
    """A stage with the output that a person chose."""

    stage: str
    decision: Json | None
    assets: list[Asset]


class Approved(Document):
    """Decisions about what a stage waits for."""

    pipeline: str
    stage: str
    decisions: list[Json]


class Resolved(Document):
    """What was decided about a stage; `outcome` is `open` when nothing is."""

    stage: str
    outcome: str
    text: str
    response_id: str | None


class Edit(Document):
    """An edit of an asset."""

    run_id: str
    status: str
    spent_usd: float
    results: list[Json]
    stages: list[Json]
    files: list[str] = Field(default_factory=list[str])


class Checked(Document):
    """Whether the tree matches its lock."""

    status: Literal["clean", "differs"]
    files: int
    problems: list[Json]


class LockedFolder(Document):
    """What became of a folder of the lock; paths are from the lock file's folder."""

    lock: str
    folder: str
    files: list[str]
    added: list[str]
    changed: list[str]
    removed: list[str]


class Synced(Document):
    """What was brought into the tree; `unknown` are files whose bytes no store has."""

    written: list[str]
    replaced: list[str]
    unchanged: list[str]
    unknown: list[str]
    left: list[str]
    removed: list[str]


class Updated(Document):
    """What an update did, folder by folder; what it brought is missing when it ended before that."""

    folders: list[Json]
    written: list[str] = Field(default_factory=list[str])
    replaced: list[str] = Field(default_factory=list[str])
    unchanged: list[str] = Field(default_factory=list[str])
    unknown: list[str] = Field(default_factory=list[str])
    left: list[str] = Field(default_factory=list[str])


class Findings(Document):
    """What `doctor` found."""

    findings: list[Json]
    problems: int


class Deployed(Document):
    """Deployments, and how the project's own Prefect is reached; None where it is the caller's."""

    deployments: list[Json]
    prefect: dict[str, str] | None


class Collected(Document):
    """What `gc` did or would do."""

    phase: str
    dry_run: bool
    plan: int | None
    objects: int
    size_bytes: int
    spared: int
    ready_at: float | None
    held_by: str | None
    keys: list[str]


class Reaped(Document):
    """What was left on the service."""

    deleted: bool
    leftovers: list[Json]


class Stopped(Document):
    """Which services were ended."""

    services: list[Json]


class Pipelines(Document):
    """The project's pipelines."""

    pipelines: list[Json]


class Linted(Document):
    """What is worth a second look."""

    pipeline: str
    warnings: list[Json]


class Spent(Document):
    """What was spent, by group; `unknown` counts what has no known cost."""

    model_config = ConfigDict(frozen=True, extra="allow")

    by: str
    groups: list[Json]
    total_usd: float
    unknown: int


class Verified(Document):
    """Whether the store is whole."""

    status: Literal["damaged", "whole"]
    records: int
    blobs: int
    size_bytes: int
    index_entries: int
    faults: int
    purged: int
    problems: list[Json]


class Lineage(Document):
    """An asset's family."""

    asset_id: str
    is_cut: bool
    assets: list[Json]
    edges: list[Json]


class Sheet(Document):
    """A contact sheet that was written."""

    batch_id: str
    file: str


class Changes(Document):
    """What differs between two locks."""

    changes: list[Json]


class Bill(Document):
    """What a real service would have charged."""

    charges: list[Json]


class Expired(Document):
    """How many things of each kind the emulator forgot."""

    expired: dict[str, int]


class Serving(Document):
    """How a running emulator is reached."""

    endpoint: str
    environment: dict[str, str]


class Open(Document):
    """A document whose fields are those of a record; see the command's help."""

    model_config = ConfigDict(frozen=True, extra="allow")
