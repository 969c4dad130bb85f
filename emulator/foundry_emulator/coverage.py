"""Writes COVERAGE.md from the routes, so that the page cannot promise what the server does not have.

`python -m foundry_emulator.coverage` rewrites the page beside this module.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from foundry_emulator.app import (
    CONTROL_OPERATIONS,
    CONTROL_PATH,
    OPENAI_OPERATIONS,
    PROJECT_OPERATIONS,
    RESOURCE_OPERATIONS,
)
from foundry_emulator.boundary.faults import FAULT_NAMES
from foundry_emulator.responses.toolspecs import TOOL_TYPES
from foundry_emulator.routes.endpoint import Operation
from foundry_emulator.settings import Switches
from foundry_emulator.vendor_scope import vendor_scope

PAGE = Path(__file__).with_name("COVERAGE.md")

_INTRODUCTION = """\
# What the emulator covers

Written by `python -m foundry_emulator.coverage` from the routes; a test fails when it is out of date.

The emulator speaks the wire protocol of a Foundry project endpoint, as azure-ai-projects 2.10 and openai 3.57
use it. Written rules stand in for the models: they know no more than their word lists and say so. The tools
work for real. An operation that is not listed here is refused with `operation_not_emulated`, a tool type that
is not listed with `tool_not_emulated`.
"""

_DIFFERENCES = """\
## Known differences

- Answers are worded as the service's were in July 2026; the setting `flavour` gives the older words:
  `azure-2025-11`, `azure-2026-03`, `azure-2026-04`, `azure-2026-05`; and `openai`.
  `foundry-emulator compare DIR` says where recorded exchanges differ.
- Where public sources disagree a setting chooses the answer (`background_with_agent`, `hide_results`, ...).
- A `model` beside an agent is taken when it is the agent's own, or empty as Microsoft's agent framework sends
  it; no public source shows the words with which another is refused.
- A failed response ends its stream with an `error` event and `response.failed`, as `openai` with the latter.
- An `api-version` is checked where the service wants one: on the project surface, below an agent's own
  endpoint and below `/openai`, but not below `/openai/v1`.
- No header allows a browser (`Access-Control-*`).
- `input_items` lists what a response was given itself, not what it took from earlier responses.
- Pictures and files are never fetched from an address: data URLs and file IDs only (`invalid_image_url`).
- Unknown fields in a request are refused (`unknown_parameter`).
- Pictures are png, jpeg or webp; gif and svg are refused. The same request draws the same picture.
- Partial pictures are drawn in streams only.
- A PNG carries a note of its subject's outline, so that an edit need not guess; other formats do not.
- Compaction, hosted, workflow, external and voice agents cannot be run; connections are always empty.
- A tool's `project_connection_id` is accepted and not looked up: an MCP server is called without credentials.
- Files are `processed` at once; one for fine-tuning says `pending` first. Search is lexical.
- One model deployment per model, with the model's name; see `deployments.toml`.
- A retired model answers with 410 in the flavours of Azure, as its policy page says. No public source shows
  the body: its code and words are made up here. OpenAI's 404 (`model_not_found`) is as it was seen.
- A foreground response whose caller leaves stops at its next step and cannot be retrieved, unless the setting
  `finish_without_caller` is on.
- A response that was running when the emulator was killed is `failed` (`server_error`) after the restart.
- Rate limits are off until they are set; headers then tell fixed numbers. Tokens are estimated at four
  characters each, so only what is far beyond a context window is refused for its length.
- An image prompt is refused by a short word list, at the input stage, uncharged.
- `service_tier: flex` is taken where `deployments.toml` says so, costs half for the model's tokens and shares
  the quota; what finds no capacity (`flex_refusals`) is a 429 and free. Other tiers are served as `default`.
- Prices are dated data (`prices.toml`), OpenAI's list prices where Azure's are not known.
"""


_IMAGE_MODELS = """\
By published documentation and public clients: the addresses, the fields of requests, sizes, one picture a
call, the reply of MAI models with its `usage` (1024 pixels a token), the code `unsupported_request_value`.
Made up here, for want of a source: the tokens of pictures that an edit reads (as those it draws), the words
of most refusals (those of the image tool), and what a reply says of a picture that moderation held back
(`content_filter_results`). Of the optional fields only `seed` and `safety_tolerance` (FLUX) and, when false,
`auto_aspect_ratio` and `web_grounding` (MAI) are taken; all others are refused by name. Nothing was compared
with a recording: there is none.
"""

_VENDOR = """\
## The vendor's samples and tests of azure-ai-projects 2.10.0

`python -m benchmarks.vendor_samples` runs them unmodified: the samples in `samples/agents`,
`samples/agents/tools`, `samples/deployments`, `samples/files` and `samples/responses`, and with `--tests` the
package's own tests of agents, conversations, deployments, files, responses and tools. What a table names is
left out, together with its `_async` twin; all others pass.
"""


def _left_out(kind: str, reasons: Mapping[str, str]) -> str:
    rows = [f"| `{name}` | {reason} |" for name, reason in sorted(reasons.items())]
    return "\n".join([f"| {kind} | Reason |", "|---|---|", *rows]) + "\n"


def _table(operations: Iterable[Operation], prefix: str = "") -> str:
    rows = [
        f"| `{one.name}` | {one.method} | `{prefix}{one.path}` | {one.note} |"
        for one in sorted(operations, key=lambda one: one.name)
    ]
    return "\n".join(["| Operation | Method | Address | Note |", "|---|---|---|---|", *rows])


def coverage_page() -> str:
    """Return the page as it should be."""
    switches = [f"`{entry.name}`" for entry in dataclasses.fields(Switches)]
    parts = [
        _INTRODUCTION,
        "## Project surface\n\nUnder `/api/projects/<project>`.\n\n" + _table(PROJECT_OPERATIONS) + "\n",
        "## OpenAI surface\n\nUnder `/api/projects/<project>/openai/v1` and, for one agent, under\n"
        "`/api/projects/<project>/agents/<agent>/endpoint/protocols/openai`.\n\n"
        + _table(OPENAI_OPERATIONS)
        + "\n",
        "## Image models that are called themselves\n\nAt the root of the resource.\n\n"
        + _table(RESOURCE_OPERATIONS)
        + "\n\n"
        + _IMAGE_MODELS,
        f"## Tools\n\n{', '.join(f'`{kind}`' for kind in TOOL_TYPES)}\n",
        "## Control API\n\nNo part of the service: on the plain listener, with its own bearer token.\n\n"
        + _table(CONTROL_OPERATIONS, CONTROL_PATH)
        + "\n",
        f"Settings: {', '.join(switches)}.\n\nFaults: {', '.join(f'`{name}`' for name in FAULT_NAMES)}.\n",
        _DIFFERENCES,
        _VENDOR,
        _left_out("Sample", vendor_scope().samples),
        _left_out("Test", vendor_scope().tests),
    ]
    return "\n".join(parts)


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(coverage_page(), "utf-8")


if __name__ == "__main__":
    main()
