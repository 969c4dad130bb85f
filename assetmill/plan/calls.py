"""A stage with everything bound: the pure data that a plan hands to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from assetmill.fingerprint import Digest, Fingerprint, fingerprint
from assetmill.names import stage_label
from assetmill.records import AssetId, AssetKind, BlobRef, Lane

if TYPE_CHECKING:
    from assetmill.spec.output_checks import ChecksSpec

EMULATED = ("service", "emulator")
"""The deciding field of a call to the embedded emulator, whose work is not the real service's."""

REJECTED = "rejected"
"""The deciding field of a draw after a rejection: every round before with the reason, as rows of two."""

DRAWING = frozenset({"image_generation", "image_model"})
"""The types of tools that draw."""

InputRole = Literal["picture", "mask", "container_file", "source", "font"]
"""How a stage sees an input: as input picture, as edit mask, as a file for code interpreter.

A local stage works on sources, and writes with fonts.
"""


@dataclass(frozen=True)
class BoundInput:
    """One input with its digest known. `path` names a local file whose bytes are not stored yet."""

    name: str
    role: InputRole
    blob: BlobRef
    asset_id: AssetId | None = None
    path: str | None = None


class BoundKnowledge(NamedTuple):
    """A named set of files for file search; `digest` covers every file's name and content."""

    name: str
    digest: Digest
    files: tuple[BoundInput, ...]


@dataclass(frozen=True)
class ExpectedOutput:
    """What a stage must produce. `pattern` is a glob over the names of produced files.

    `name` is what the output is called in the store and in exports: a file name, or a stem with an index when
    `count` is above one. Width and height are exact pixels when given.
    """

    kind: AssetKind
    name: str
    count: int = 1
    pattern: str = "*"
    format: str | None = None
    width: int | None = None
    height: int | None = None
    has_alpha: bool | None = None


class Acceptance(NamedTuple):
    """Which result is accepted: the checks of each output, None for one without, in their order.

    The best of at least `best_of` draws is taken, and up to `reroll` more are made until one passes.
    """

    checks: tuple[ChecksSpec | None, ...] = ()
    best_of: int = 1
    reroll: int = 0

    def deciding(self) -> dict[str, Any]:
        """Return what decides which result is accepted; how often is tried for it does not."""
        checks = [one.facts() if one else None for one in self.checks]
        return {"best_of": self.best_of, "checks": checks}


@dataclass(frozen=True)
class StageCall:
    """One stage as it is asked of an agent, ready to be fingerprinted, priced and sent.

    `tools` are in the service's wire form, but for IDs of files and vector stores, which the engine fills in:
    `file_search` names `knowledge` sets instead of vector stores. `variant` is the label of the `for_each`
    axes, "" when there are none. `extra` holds further deciding fields (a style kit's digest, a replica).
    A stage that calls an image model itself has the tool `image_model` alone, and its `model` is that model's
    deployment. `folder` is where functions are looked for first, `lane` where it may go, at another price:
    neither decides anything. With terms of `acceptance`, the call stands for draws of the same call without
    them, of which the best that passes is the result. `making` is what a local stage makes here, entry by
    entry: it asks no agent, and of the other fields only inputs, outputs and `extra` count.
    """

    pipeline: str
    stage: str
    variant: str
    prompt: str
    instructions: str
    model: str
    image_deployment: str | None
    tools: tuple[Mapping[str, Any], ...]
    inputs: tuple[BoundInput, ...] = ()
    knowledge: tuple[BoundKnowledge, ...] = ()
    outputs: tuple[ExpectedOutput, ...] = ()
    text_format: Mapping[str, Any] | None = None
    tool_choice: str | None = None
    max_tool_calls: int | None = None
    effort: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    folder: str | None = None
    acceptance: Acceptance | None = None
    lane: Lane = "now"
    making: tuple[Mapping[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """The stage's name with its variant, as people see it: `poster[locale=de]`."""
        return stage_label(self.stage, self.variant)

    @property
    def drawing(self) -> Mapping[str, Any] | None:
        """The tool that draws, an agent's or the image model's own; None where nothing does."""
        return next((tool for tool in self.tools if tool["type"] in DRAWING), None)

    @property
    def is_direct(self) -> bool:
        """Whether an image model is called itself, without an agent."""
        return any(tool["type"] == "image_model" for tool in self.tools)

    @property
    def is_local(self) -> bool:
        """Whether it is carried out here: it asks nobody and costs nothing."""
        return bool(self.making)

    def deciding(self) -> dict[str, Any]:
        """Return everything that decides the output, and nothing else: no times, run IDs or host names.

        Inputs count by content and role, not by where they came from; `partial_images` only shows progress.
        """
        if self.is_local:
            inputs = [[i.role, i.name, i.blob.digest] for i in self.inputs]
            return {"format": 1, "make": list(self.making), "inputs": inputs, **self.extra}
        tools = [{k: v for k, v in tool.items() if k != "partial_images"} for tool in self.tools]
        terms: dict[str, Any] = {"acceptance": self.acceptance.deciding()} if self.acceptance else {}
        if self.effort:
            terms["effort"] = self.effort
        return {
            "format": 1,
            **terms,
            "prompt": self.prompt,
            "instructions": self.instructions,
            "model": self.model,
            "image_deployment": self.image_deployment,
            "tools": tools,
            "inputs": [[i.role, i.name, i.blob.digest] for i in self.inputs],
            "knowledge": {k.name: k.digest for k in self.knowledge},
            "outputs": [_known(o) for o in self.outputs],
            "text_format": self.text_format,
            "tool_choice": self.tool_choice,
            "max_tool_calls": self.max_tool_calls,
            "extra": dict(self.extra),
        }

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """The digest under which a finished stage is found."""
        return fingerprint(self.deciding())


def _known(output: ExpectedOutput) -> dict[str, Any]:
    """Leave out what is not asked for, so that a new optional field changes no old fingerprint."""
    return {key: value for key, value in vars(output).items() if value is not None}
