"""Which command prints which document, and the page that shows them all."""

from __future__ import annotations

import json
from collections.abc import Mapping

from assetmill.documents.models import (
    Accepted,
    Approved,
    Assets,
    Batch,
    BatchPlan,
    Bill,
    Changes,
    Checked,
    Collected,
    Deployed,
    Document,
    Edit,
    Error,
    Expired,
    Exported,
    Findings,
    Lineage,
    Linted,
    LockedFolder,
    Open,
    OpenRun,
    Pipelines,
    Plan,
    Reaped,
    Resolved,
    Run,
    Runs,
    Serving,
    Sheet,
    Spent,
    Stopped,
    Synced,
    Updated,
    Verified,
)

DOCUMENTS: Mapping[str, tuple[type[Document], ...]] = {
    "run": (Run,),
    "plan": (Plan,),
    "batch": (Batch, BatchPlan),
    "contact-sheet": (Sheet,),
    "deploy": (Deployed,),
    "serve": (Deployed,),
    "accept": (Accepted,),
    "approve": (Approved,),
    "resolve": (Resolved,),
    "reap": (Reaped,),
    "spend": (Spent,),
    "show": (Run, OpenRun, Runs),
    "assets": (Assets,),
    "export": (Exported,),
    "edit": (Edit,),
    "import": (Assets,),
    "lineage": (Lineage,),
    "why": (Open,),
    "pipelines": (Pipelines,),
    "schema": (Open,),
    "lint": (Linted,),
    "lock": (LockedFolder,),
    "check": (Checked,),
    "sync": (Synced,),
    "update": (Updated,),
    "provenance": (Open,),
    "diff": (Changes,),
    "emulator serve": (Serving,),
    "emulator bill": (Bill,),
    "emulator expire": (Expired,),
    "verify": (Verified,),
    "gc": (Collected,),
    "purge": (Open,),
    "doctor": (Findings,),
    "stop": (Stopped,),
}
"""By command, what its document may be. `Error` may take the place of any."""


def page() -> str:
    """Return docs/json.md."""
    lines = [
        "# What `--json` prints",
        "",
        "Every command takes `--json` and then prints one document on stdout; what it says to people goes to",
        "stderr. Fields are added, never taken away and never given another meaning. The models are in",
        "`assetmill.documents.models`. Money is in US dollars, times are seconds since 1970, no secret",
        "is in a document. `assetmill serve` and `assetmill emulator serve` print theirs once they answer.",
        "",
        "| Command | Document |",
        "|---|---|",
    ]
    for command, models in DOCUMENTS.items():
        names = " or ".join(f"[{model.__name__}](#{model.__name__.lower()})" for model in models)
        lines.append(f"| `{command}` | {names} |")
    lines.append("| any, when nothing came of it | [Error](#error) |")
    known = dict.fromkeys(model for models in DOCUMENTS.values() for model in models)
    for model in (Error, *known):
        lines += ["", f"## {model.__name__}", "", " ".join((model.__doc__ or "").split()), ""]
        lines += ["```json", json.dumps(model.model_json_schema(), indent=1), "```"]
    return "\n".join([*lines, ""])
