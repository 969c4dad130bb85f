"""Everything that is stored, as frozen models: what was paid for, what came of it, from what.

A record is written once and never changed. Money is in US dollars; times are Unix seconds (UTC).
"""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from typing import Any, Literal, NewType

from pydantic import BaseModel, ConfigDict, Field

from assetmill.fingerprint import Digest, Fingerprint, short_key
from assetmill.names import stage_label

AssetId = NewType("AssetId", str)
RunId = NewType("RunId", str)

HandleKind = Literal["file", "container_file", "image_call", "vector_store", "response"]
AssetKind = Literal["picture", "chart", "document", "data", "text"]
AssetRole = Literal["output", "candidate", "frame", "screenshot", "import", "prepared", "mask", "report"]
"""What an asset is to its stage. `prepared`, `mask`, `report`: made here, around an edit."""

PictureForm = Literal["image_call", "image_file", "image_url", "image_data", "image_small"]
"""How a service is told of an input picture: by the call that drew it, a file, an address, bytes, a copy."""

Way = Literal["background", "stream", "foreground"]
"""How a response is posted: to be asked for, to be listened to, or to be waited for on the line."""

Lane = Literal["now", "flex", "batch"]
"""In which lane of the service a request goes: the normal one, or one that costs less and takes longer."""
IntentWay = Literal["background", "stream", "foreground", "direct"]
"""The same of an intent, and `direct`: to an image model itself, whose reply nobody can ask for again."""

StageStatus = Literal[
    "done", "reused", "failed", "in_doubt", "waiting", "rejected", "skipped", "cancelled", "over_budget"
]
"""What became of a stage in a run. `waiting`: for a person's approval. `rejected`: by reviewers, for good."""

RunStatus = Literal["completed", "failed", "cancelled", "waiting"]
"""`waiting`: all that is left waits for people."""


class Stored(BaseModel):
    """Base of every stored model."""

    # Built at first use: `assetmill plan` imports all of them and needs few.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class BlobRef(Stored):
    """Immutable bytes under their SHA-256."""

    digest: Digest
    size_bytes: int
    media_type: str


class ServiceHandle(Stored):
    """The service's ID for an asset: a hint that may have expired, never the only copy."""

    kind: HandleKind
    id: str
    endpoint: str
    container_id: str | None = None
    created_at: float
    expires_at: float | None = None


class ResponseRef(Stored):
    """Which call made something: enough to find it on the service and to explain it later."""

    response_id: str
    conversation_id: str
    endpoint: str
    agent_name: str
    agent_version: str
    model: str
    image_model: str | None = None


class AssetRecord(Stored):
    """Something a stage made, or a person brought in: its bytes, its meaning, its origin."""

    schema_version: Literal[1] = 1
    asset_id: AssetId
    name: str
    kind: AssetKind
    blob: BlobRef
    stage: str
    variant: str = ""
    role: AssetRole = "output"
    prompt: str = ""
    revised_prompt: str = ""
    width: int | None = None
    height: int | None = None
    made_by: ResponseRef | None = None
    derived_from: tuple[AssetId, ...] = ()
    handles: tuple[ServiceHandle, ...] = ()
    created_at: float
    rejected: str = ""
    """Why checks did not accept it, "" when none refused."""

    @property
    def label(self) -> str:
        """The stage and its variant, as people read them."""
        return stage_label(self.stage, self.variant)


CheckState = Literal["passed", "failed", "not_checked"]


class CheckResult(Stored):
    """What one check said of one file. `score` is from 0 to 1, None where there is only yes and no.

    `agreement` is how far several judges said the same, from 0 to 1; None where there was one.
    """

    check: str
    output: str
    state: CheckState
    message: str = ""
    score: float | None = None
    agreement: float | None = None


class Usage(Stored):
    """What the service reported. None means it did not say, which is not zero.

    The finer figures are parts of the coarser ones: cached and written input of the input, reasoning of the
    output, texts of what the image tool read and wrote.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    image_input_tokens: int | None = None
    image_output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    image_text_input_tokens: int | None = None
    image_text_output_tokens: int | None = None
    image_cached_tokens: int | None = None
    image_text_cached_tokens: int | None = None
    service_tier: str | None = None
    """The lane that served it, in the service's word; None for the normal one, or where it did not say."""
    images: int = 0
    partial_images: int = 0
    code_sessions: int = 0
    file_searches: int = 0


class Decision(Stored):
    """Why a stage is done although its attempt had a verdict against it.

    `fetched`: files that could not be fetched came after all. `accepted`, `partial`: a person took one of the
    kept files, or what there was, for the output. `assets` are their IDs before.
    """

    kind: Literal["fetched", "accepted", "partial"]
    decided_by: str
    reason: str
    assets: tuple[AssetId, ...] = ()
    created_at: float


class StageRecord(Stored):
    """The commit: the only thing readers look for."""

    schema_version: Literal[1] = 1
    pipeline: str
    stage: str
    variant: str = ""
    fingerprint: Fingerprint
    deciding: dict[str, Any]
    attempt: int
    run_id: RunId
    made_by: tuple[ResponseRef, ...]
    outputs: tuple[AssetRecord, ...]
    text: str = ""
    data: dict[str, Any] | None = None
    turns: int = 1
    usage: Usage = Field(default_factory=Usage)
    cost_usd: float | None = None
    cost_range_usd: tuple[float, float] | None = None
    """Between which amounts the cost lies where only the service knows it; None where it is exact."""
    started_at: float
    finished_at: float
    checks: tuple[CheckResult, ...] = ()
    draws: tuple[Fingerprint, ...] = ()
    """Of which stage records this one is the choice: they hold the spend, `cost_usd` repeats it."""
    decision: Decision | None = None
    """Why it stands against its attempt's verdict: that holds the spend, `cost_usd` repeats it."""
    made_with: dict[str, str] = Field(default_factory=dict[str, str])
    """Versions of what wrote the files of a local stage: a newer one may write other bytes of the same."""

    @property
    def label(self) -> str:
        """The stage and its variant, as people read them."""
        return stage_label(self.stage, self.variant)


class Intent(Stored):
    """Written before a spend, so that a crash leaves a trace; also the lease on this attempt."""

    schema_version: Literal[1] = 1
    nonce: str
    owner: str
    run_id: RunId
    stage: str
    attempt: int
    turn: int = 1
    endpoint: str
    conversation_id: str
    request_digest: Digest
    reserved_usd: float | None
    created_at: float
    lease_until: float
    way: IntentWay = "background"
    is_streamed: bool | None = None
    """Whether it was posted as a stream, which alone brings partial pictures; None in older records."""
    lane: Lane = "now"


class Receipt(Stored):
    """The response ID of an attempt's turn, stored before the first poll.

    A direct call's reply has none: the ID is ours, and `told` is what the reply said beside its pictures.
    """

    schema_version: Literal[1] = 1
    response_id: str
    how: Literal["reply", "adopted"]
    created_at: float
    told: dict[str, Any] | None = None


class KeptFile(Stored):
    """A container file whose bytes are stored."""

    name: str
    blob: BlobRef
    handle: ServiceHandle


class Harvest(Stored):
    """What a turn's containers held: they disappear within minutes, and may be gone when it is closed."""

    schema_version: Literal[1] = 1
    files: tuple[KeptFile, ...]
    problems: tuple[str, ...] = ()
    created_at: float


class Verdict(Stored):
    """Why an attempt is over without a commit; only this licenses the next attempt.

    `not_before` is when the service, which refused this one, allows it. `limited`: it was accepted, and a
    limit ended it.
    """

    schema_version: Literal[1] = 1
    kind: Literal["failed", "refused", "limited", "fenced", "given_up", "abandoned"]
    error: str
    reason: str
    response_id: str | None = None
    run_id: RunId
    kept: tuple[AssetRecord, ...] = ()
    cost_usd: float | None = None
    cost_range_usd: tuple[float, float] | None = None
    not_before: float | None = None
    created_at: float

    @property
    def is_of_choice(self) -> bool:
        """Whether a run notes here that it took none of a stage's draws; no attempt has this name.

        What an attempt failed to make has a response, and draws have their own names, files and costs.
        """
        return self.error == "OutputUnusable" and self.response_id is None and self.cost_usd == 0.0


class TurnCost(Stored):
    """What a turn has cost that is not its attempt's last, so that it counts before the attempt is over."""

    schema_version: Literal[1] = 1
    usd: float | None
    created_at: float


class Replies(Stored):
    """What a turn's calls were answered, stored before it is sent: a function runs once, also after a crash.

    Screenshots are blobs; the items name them by digest.
    """

    schema_version: Literal[1] = 1
    items: tuple[dict[str, Any], ...]
    screenshots: tuple[BlobRef, ...] = ()
    created_at: float


class Approval(Stored):
    """What a person decided about something that an agent asked for."""

    schema_version: Literal[1] = 1
    subject: str
    is_granted: bool
    decided_by: str
    created_at: float


class Upload(Stored):
    """An asset's or knowledge set's handle at one endpoint, as it was made."""

    schema_version: Literal[1] = 1
    nonce: str
    handle: ServiceHandle


class StageEntry(Stored):
    """A stage's line in a run manifest.

    `record` is there when the stage is done or reused, and when what it made waits or was rejected.
    """

    stage: str
    variant: str = ""
    status: StageStatus
    fingerprint: Fingerprint | None = None
    record: StageRecord | None = None
    error: str | None = None
    spent_usd: float | None = None
    seconds: float | None = None

    @property
    def label(self) -> str:
        """The stage and its variant, as people read them."""
        return stage_label(self.stage, self.variant)

    @property
    def is_done(self) -> bool:
        """Whether the stage has its outputs: made now, or found."""
        return self.status in {"done", "reused"} and self.record is not None


class RunStart(Stored):
    """Written when a run begins, so that a killed run can still be named and shown."""

    schema_version: Literal[1] = 1
    run_id: RunId
    pipeline: str
    parameters: dict[str, Any]
    profile: str
    spec_digest: Digest
    spec_path: str
    stages: tuple[tuple[str, str], ...]
    started_at: float
    owner: str = ""
    """The process that began it, "" in records of earlier versions."""


class Cancellation(Stored):
    """That somebody has called off a run: nothing more of it is begun, on whatever machine it is."""

    schema_version: Literal[1] = 1
    reason: str
    created_at: float


class RunManifest(Stored):
    """Closing record of a run: spec, stages, assets, digests. `spent_usd` is None when a cost is unknown."""

    schema_version: Literal[1] = 1
    run_id: RunId
    pipeline: str
    parameters: dict[str, Any]
    profile: str
    spec_digest: Digest
    status: RunStatus
    stages: tuple[StageEntry, ...]
    spent_usd: float | None
    started_at: float
    finished_at: float
    flow_run_id: str | None = None

    def assets(self) -> tuple[AssetRecord, ...]:
        """Return every asset of the run, in the order of its stages."""
        return tuple(asset for entry in self.stages if entry.record for asset in entry.record.outputs)


def make_asset_id(pipeline: str, fp: str, ordinal: int) -> AssetId:
    """Return an asset ID that holds its stage's key, so that finding it needs no index."""
    return AssetId(f"ast_{short_key(pipeline)}_{fp}_{ordinal:02d}")
