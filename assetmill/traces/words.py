"""Every name of a span, an attribute or a metric; docs/traces.md is this table.

The names that begin with `gen_ai.` are those of OpenTelemetry's semantic conventions for generative AI, which
are still in development: `CONVENTION` says of which version. The others are our own and do not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Convention = Literal["1.36", "1.37"]
"""1.37 renamed `gen_ai.system` to `gen_ai.provider.name`."""

CONVENTIONS: tuple[Convention, ...] = ("1.36", "1.37")
CONVENTION: Convention = "1.37"

SPANS: Mapping[str, str] = {
    "run {pipeline}": "a run of a pipeline; all its stages are below it",
    "invoke_agent {stage}": "one stage, from its first look into the store to its end",
    "make {stage}": "one local stage, which asks no agent",
    "chat {model}": "one response that the stage was made by",
}

ATTRIBUTES: Mapping[str, str] = {
    "gen_ai.operation.name": "`invoke_agent`, or `chat` for a response",
    "gen_ai.request.model": "the model deployment that was asked",
    "gen_ai.response.id": "the service's ID of a response",
    "gen_ai.agent.name": "the agent that made it",
    "assetmill.agent.version": "the agent's version",
    "gen_ai.conversation.id": "the conversation of the attempt",
    "gen_ai.usage.input_tokens": "tokens read by all turns of the stage",
    "gen_ai.usage.output_tokens": "tokens written by all turns of the stage",
    "error.type": "our error that the stage ended with",
    "assetmill.pipeline": "the pipeline's name",
    "assetmill.stage": "the stage with its variant",
    "assetmill.run.id": "the run that asked for it",
    "assetmill.fingerprint": "what decides the stage's output, as a digest",
    "assetmill.attempt": "which attempt made it; above 1 earlier ones have failed",
    "assetmill.reused": "whether another run has paid for it",
    "assetmill.cost_usd": "what it cost; absent while unknown, and where it was reused",
    "assetmill.outcome": "of a metric: `done`, `reused`, or our error",
    "assetmill.assets": "the IDs of the files it made",
}

METRICS: Mapping[str, tuple[str, str]] = {
    "assetmill.spend": ("{USD}", "what stages have cost, by pipeline and model"),
    "assetmill.stages": ("{stage}", "stages that have ended, by pipeline and outcome"),
}

EVENTS: Mapping[str, str] = {
    "assetmill.started": "an intent is stored, and the post follows",
    "assetmill.waiting": "for a quota, a lease, an outage or an open outcome, as `message` says",
    "assetmill.created": "the response ID is stored",
}


def provider(convention: Convention) -> str:
    """Return the attribute that names the service."""
    return "gen_ai.system" if convention == "1.36" else "gen_ai.provider.name"
