"""What `assets.lock` says, as frozen models: which file comes of which stage, and what decided it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assetmill.records import AssetKind

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fp = Annotated[str, Field(pattern=r"^[a-z2-7]{52}$")]
Id = Annotated[str, Field(pattern=r"^ast_[0-9a-f]{8}_[a-z2-7]{52}_[0-9]{2,6}$")]
Usd = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
MediaType = Annotated[str, Field(pattern=r"^[a-z]+/[A-Za-z0-9.+-]{1,100}$")]
Scalar = str | int | float | bool


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PlanRef(_Block):
    """How to plan again what is locked: the pipeline as it was named, and what it was given."""

    pipeline: Annotated[str, Field(min_length=1, max_length=1000)]
    profile: Annotated[str, Field(min_length=1, max_length=100)]
    parameters: dict[str, Scalar]


class LockedFolder(_Block):
    """A folder of the tree: the files of one pipeline with one set of parameters.

    `only` names the stages whose files are in the tree; empty means all of them.
    """

    only: list[str] = []
    plan: PlanRef


class LockedAsset(_Block):
    """One output of a stage. Without `in_tree` it is kept in the store alone, for the stages after it."""

    stage: Annotated[str, Field(min_length=1, max_length=1000)]
    output: Annotated[str, Field(min_length=1, max_length=200)]
    kind: AssetKind
    media_type: MediaType
    pixels: Annotated[str, Field(pattern=r"^[0-9]{1,6}x[0-9]{1,6}$")] | None = None
    asset_id: Id
    in_tree: bool = True
    deciding: dict[str, str]
    fingerprint: Fp
    stage_cost_usd: Usd | None = None
    approved: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    reviews: list[Annotated[str, Field(max_length=65536)]] = []
    """What reviewers said of these bytes: envelopes, signed."""
    rejections: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = []
    """The rounds before it, with the reasons: what its stage drew and reviewers rejected."""
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class LockedStage(_Block):
    """A stage whose words later stages read, or that made no file. `data` is JSON."""

    deciding: dict[str, str]
    text: str = ""
    data: str | None = None
    fingerprint: Fp


class GivenAsset(_Block):
    """A stored asset that a pipeline names by its ID: known here, so that no store is asked."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: AssetKind
    media_type: MediaType
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Lock(_Block):
    """A lock file. Folders and assets are keyed by their path from the lock file, with `/`.

    Stages are keyed by folder, a colon and the stage's label; `given` by asset ID.
    """

    version: Literal[1] = 1
    folder: dict[str, LockedFolder] = {}
    stage: dict[str, LockedStage] = {}
    given: dict[Id, GivenAsset] = {}
    asset: dict[str, LockedAsset] = {}

    def assets_of(self, folder: str) -> dict[str, LockedAsset]:
        """Return a folder's assets by path, in the order in which their stages made them."""
        found = [(p, asset) for p, asset in self.asset.items() if p.rpartition("/")[0] == folder]
        return dict(sorted(found, key=lambda pair: (pair[1].stage, pair[1].asset_id, pair[0])))

    def stages_of(self, folder: str) -> dict[str, LockedStage]:
        """Return a folder's stage blocks by label."""
        prefix = f"{folder}:"
        return {k.removeprefix(prefix): block for k, block in self.stage.items() if k.startswith(prefix)}

    def in_tree(self) -> dict[str, LockedAsset]:
        """Return the assets that are files of the tree, by path."""
        return {path: asset for path, asset in self.asset.items() if asset.in_tree}

    def without(self, folder: str) -> Lock:
        """Return the lock as it is without a folder and all that belongs to it."""
        mine = {*self.assets_of(folder)}
        words = {f"{folder}:{label}" for label in self.stages_of(folder)}
        return self.changed(
            folder={key: value for key, value in self.folder.items() if key != folder},
            stage={key: value for key, value in self.stage.items() if key not in words},
            asset={key: value for key, value in self.asset.items() if key not in mine},
        )

    def changed(self, **blocks: Any) -> Lock:
        """Return the lock with some kinds of blocks replaced."""
        return self.model_copy(update=blocks)
