"""Every name of a span, an attribute, an event or a metric; the tables of docs/traces.md are these.

The names that begin with `gen_ai.` are those of OpenTelemetry's semantic conventions for generative AI, which
are all still in development: a version is chosen, and what it does not have is left out. The others are our
own, except for `error.type` and `server.*`, which are stable there. They do not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Convention = Literal["1.36", "1.37", "1.41"]

CONVENTIONS: tuple[Convention, ...] = ("1.36", "1.37", "1.41")
"""Of the versions between them, none changed a name that is used here."""
CONVENTION: Convention = "1.37"
"""What is told unless somebody asks: a newer one must not break whose dashboards read the names of this."""
NEWEST: Convention = CONVENTIONS[-1]

SPANS: Mapping[str, str] = {
    "run {pipeline}": "a run of a pipeline; in 1.41 `invoke_workflow {pipeline}`",
    "batch {pipeline}": "a run of a batch, on however many machines; in 1.41 `invoke_workflow {pipeline}`",
    "shard {number}": "the part of a batch that one worker carries out",
    "row {number}": "a row of a batch, with the stages that it began",
    "invoke_agent {agent}": "one stage, from its first look into the store to its end",
    "draw {stage}": "the same of a stage that calls an image model itself: it has no agent",
    "make {stage}": "the same of a local stage, which asks nobody",
    "chat {model}": "one turn: a response that the service was asked for, from its intent to its end",
    "generate_content {model}": "the same of an image model that was called itself",
    "execute_tool {tool}": "a tool; the service tells no times of its own ones: those have their response's",
    "wait {what}": "a stage that waits, for as long as it does",
}


class Attribute(NamedTuple):
    """What an attribute says, and in which version of the conventions it came; "" for our own."""

    meaning: str
    since: Convention | Literal[""] = ""


ATTRIBUTES: Mapping[str, Attribute] = {
    "gen_ai.operation.name": Attribute(
        "`invoke_agent`, `chat`, `generate_content`, `execute_tool`, `invoke_workflow` (1.41)", "1.36"
    ),
    "gen_ai.system": Attribute("the service, in version 1.36 alone", "1.36"),
    "gen_ai.provider.name": Attribute("the service", "1.37"),
    "gen_ai.workflow.name": Attribute("the pipeline", "1.41"),
    "gen_ai.request.model": Attribute("the model deployment that was asked", "1.36"),
    "gen_ai.response.model": Attribute("the model that the response names", "1.36"),
    "gen_ai.response.id": Attribute("the service's ID of a response", "1.36"),
    "gen_ai.agent.name": Attribute("the agent", "1.36"),
    "gen_ai.agent.version": Attribute("its version", "1.41"),
    "gen_ai.conversation.id": Attribute("the conversation of the attempt", "1.36"),
    "gen_ai.usage.input_tokens": Attribute("tokens read, by a turn or by all of a stage", "1.36"),
    "gen_ai.usage.output_tokens": Attribute("tokens written, by a turn or by all of a stage", "1.36"),
    "gen_ai.usage.cache_read.input_tokens": Attribute("of those read, what a cache had", "1.41"),
    "gen_ai.usage.reasoning.output_tokens": Attribute("of those written, what was reasoning", "1.41"),
    "gen_ai.token.type": Attribute("of a metric: `input` or `output`", "1.36"),
    "gen_ai.tool.name": Attribute("the tool, or the function", "1.36"),
    "gen_ai.tool.type": Attribute("`function`, `extension` or `datastore`", "1.36"),
    "gen_ai.tool.call.id": Attribute("the ID of its call", "1.36"),
    "gen_ai.input.messages": Attribute("the prompt, where that is allowed", "1.37"),
    "gen_ai.system_instructions": Attribute("the instructions, where that is allowed", "1.37"),
    "server.address": Attribute("the host of the endpoint", "1.36"),
    "server.port": Attribute("its port", "1.36"),
    "error.type": Attribute("our error that the span ended with", "1.36"),
    "assetmill.agent.version": Attribute("the agent's version"),
    "assetmill.pipeline": Attribute("the pipeline's name"),
    "assetmill.stage": Attribute("the stage with its variant"),
    "assetmill.run.id": Attribute("the run that asked for it"),
    "assetmill.batch.id": Attribute("the batch"),
    "assetmill.row": Attribute("the number of a row"),
    "assetmill.rows": Attribute("how many rows of a batch had work"),
    "assetmill.fingerprint": Attribute("what decides the stage's output, as a digest"),
    "assetmill.attempt": Attribute("which attempt it is; above 1 earlier ones have failed"),
    "assetmill.attempts": Attribute("of a stage: how many attempts there are"),
    "assetmill.turn": Attribute("which turn of its attempt it is"),
    "assetmill.verdict": Attribute("why an attempt is over without a result: `refused`, `failed`, ..."),
    "assetmill.adopted": Attribute("whether the response was found in the service's list, not in its reply"),
    "assetmill.lane": Attribute("the lane: `now`, `flex`"),
    "assetmill.reused": Attribute("whether another run has paid for it"),
    "assetmill.cost_usd": Attribute("what this run paid for it; absent while unknown"),
    "assetmill.outcome": Attribute("`done`, `reused`, our error, or the state of a row or a batch"),
    "assetmill.assets": Attribute("the IDs of the files it made"),
    "assetmill.tool.status": Attribute("what the service says of a tool: `completed`, `failed`"),
    "assetmill.wait.for": Attribute("`quota`, `retry`, `budget`, `outcome` or `owner`"),
    "assetmill.wait.message": Attribute("the same in words, where that is allowed"),
    "assetmill.deployment": Attribute("of a metric: a model deployment"),
    "assetmill.quota": Attribute("of a metric: `requests`, `tokens` or `images`"),
    "assetmill.model": Attribute("of a metric: a model that the project uses"),
}

EVENTS: Mapping[str, str] = {
    "assetmill.started": "an intent is stored, and the post follows",
    "assetmill.created": "the response ID is stored",
    "assetmill.shared": "of a row: another one has begun the stage with this fingerprint",
}


class Metric(NamedTuple):
    """An instrument: its kind, its unit, what it says, and the edges of a histogram."""

    kind: Literal["counter", "gauge", "up_down", "histogram"]
    unit: str
    meaning: str
    edges: tuple[float, ...] = ()


_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(float(4**power) for power in range(14))
# Of the conventions, the second ends at 82 s: pictures take longer, and so do waits.
_LONG_S = (*_SECONDS[6:], 163.84, 327.68, 655.36, 1310.72)

METRICS: Mapping[str, Metric] = {
    "assetmill.spend": Metric("counter", "{USD}", "what was paid, by pipeline and model, failures included"),
    "assetmill.stages": Metric("counter", "{stage}", "stages that have ended, by pipeline and outcome"),
    "assetmill.attempts": Metric("counter", "{attempt}", "attempts that are over, by pipeline and verdict"),
    "assetmill.in_doubt": Metric("counter", "{stage}", "stages that ended in doubt and wait for a person"),
    "assetmill.stages.open": Metric("up_down", "{stage}", "stages that are under way, waiting ones included"),
    "assetmill.stages.waiting": Metric("up_down", "{stage}", "of those, the ones that wait, by what for"),
    "assetmill.rows.left": Metric("gauge", "{row}", "rows of a running batch that are not over"),
    "assetmill.wait.duration": Metric("histogram", "s", "how long stages waited, by what for", _LONG_S),
    "assetmill.quota.limit": Metric("gauge", "{unit}", "what a quota grants this process in a minute"),
    "assetmill.quota.used": Metric("gauge", "{unit}", "what this process took of it in the last minute"),
    "assetmill.model.days_left": Metric("gauge", "d", "days until a model that the project uses ends"),
    "gen_ai.client.operation.duration": Metric("histogram", "s", "how long turns took", _SECONDS),
    "gen_ai.client.token.usage": Metric("histogram", "{token}", "tokens of a turn, by type", _TOKENS),
}


def provider(convention: Convention) -> str:
    """Return the attribute that names the service."""
    return "gen_ai.system" if convention == "1.36" else "gen_ai.provider.name"


def workflow(kind: Literal["run", "batch"], pipeline: str, convention: Convention) -> str:
    """Return the name of a run's or a batch's span."""
    return f"{kind if convention != '1.41' else 'invoke_workflow'} {pipeline}"


def told(attributes: Mapping[str, Any], convention: Convention) -> dict[str, Any]:
    """Return the attributes that a version has, without those of which nothing is known."""
    return {
        name: value
        for name, value in attributes.items()
        if value is not None and _has(convention, ATTRIBUTES[name].since)
    }


def _has(convention: Convention, since: Convention | Literal[""]) -> bool:
    return not since or CONVENTIONS.index(convention) >= CONVENTIONS.index(since)
