"""Which command prints which document, and the page that shows them all."""

from __future__ import annotations

import json
from collections.abc import Mapping

from assetmill.documents.care import (
    CancelledDocument,
    CollectedDocument,
    ReapedDocument,
    RepairedDocument,
    StoreCopiedDocument,
    VerifiedDocument,
)
from assetmill.documents.gallery import (
    GalleryDocument,
    LinksDocument,
    OpenedDocument,
    ReviewedDocument,
    ReviewersDocument,
    ToolsDocument,
)
from assetmill.documents.local import CompletionDocument, FontsDocument, LocalisedDocument, LogsDocument
from assetmill.documents.models import (
    AcceptedDocument,
    ApprovedDocument,
    AssetsDocument,
    BatchDocument,
    BatchPlanDocument,
    BegunDocument,
    BillDocument,
    ChangesDocument,
    CheckedDocument,
    DeployedDocument,
    EditDocument,
    ErrorDocument,
    ExpiredDocument,
    ExportedDocument,
    FindingsDocument,
    JsonDocument,
    LineageDocument,
    LintedDocument,
    LockedFolderDocument,
    ManPagesDocument,
    OpenDocument,
    OpenRunDocument,
    PipelinesDocument,
    PlanDocument,
    ResolvedDocument,
    RunDocument,
    RunsDocument,
    ServingDocument,
    SheetDocument,
    SpentDocument,
    StoppedDocument,
    SyncedDocument,
    UpdatedDocument,
)
from assetmill.documents.prices import (
    MigratedDocument,
    ModelsDocument,
    PriceChangesDocument,
    PriceListDocument,
)

DOCUMENTS: Mapping[str, tuple[type[JsonDocument], ...]] = {
    "run": (RunDocument,),
    "plan": (PlanDocument,),
    "batch": (BatchDocument, BatchPlanDocument),
    "contact-sheet": (SheetDocument,),
    "cancel": (CancelledDocument,),
    "store copy": (StoreCopiedDocument,),
    "deploy": (DeployedDocument,),
    "serve": (DeployedDocument,),
    "accept": (AcceptedDocument,),
    "approve": (ApprovedDocument,),
    "resolve": (ResolvedDocument,),
    "reap": (ReapedDocument,),
    "spend": (SpentDocument,),
    "show": (RunDocument, OpenRunDocument, RunsDocument),
    "assets": (AssetsDocument,),
    "export": (ExportedDocument,),
    "gallery": (GalleryDocument,),
    "open": (OpenedDocument,),
    "mcp": (ToolsDocument,),
    "review": (ReviewedDocument,),
    "reviewers": (ReviewersDocument,),
    "links": (LinksDocument,),
    "edit": (EditDocument,),
    "import": (AssetsDocument,),
    "lineage": (LineageDocument,),
    "why": (OpenDocument,),
    "pipelines": (PipelinesDocument,),
    "schema": (OpenDocument,),
    "lint": (LintedDocument,),
    "localise": (LocalisedDocument,),
    "fonts": (FontsDocument,),
    "lock": (LockedFolderDocument,),
    "check": (CheckedDocument, ModelsDocument),
    "sync": (SyncedDocument,),
    "update": (UpdatedDocument,),
    "provenance": (OpenDocument,),
    "diff": (ChangesDocument,),
    "emulator serve": (ServingDocument,),
    "emulator bill": (BillDocument,),
    "emulator expire": (ExpiredDocument,),
    "verify": (VerifiedDocument,),
    "gc": (CollectedDocument,),
    "repair": (RepairedDocument,),
    "prices": (PriceListDocument, PriceChangesDocument),
    "migrate": (MigratedDocument,),
    "purge": (OpenDocument,),
    "doctor": (FindingsDocument,),
    "logs": (LogsDocument,),
    "completion": (CompletionDocument,),
    "stop": (StoppedDocument,),
    "man": (ManPagesDocument,),
    "init": (BegunDocument,),
}
"""By command, what its document may be. `Error` may take the place of any."""


def page() -> str:
    """Return docs/json.md."""
    lines = [
        "# What `--json` prints",
        "",
        "Every command takes `--json` and then prints one document on stdout; what it says to people goes to",
        "stderr. Fields are added, never taken away and never given another meaning. The models are in",
        "`assetmill.documents`. Money is in US dollars, times are seconds since 1970, no secret",
        "is in a document. `assetmill serve` and `assetmill emulator serve` print theirs once they answer.",
        "",
        "| Command | Document |",
        "|---|---|",
    ]
    for command, models in DOCUMENTS.items():
        names = " or ".join(f"[{_title(model)}](#{_title(model).lower()})" for model in models)
        lines.append(f"| `{command}` | {names} |")
    lines.append("| any, when nothing came of it | [Error](#error) |")
    known = dict.fromkeys(model for models in DOCUMENTS.values() for model in models)
    for model in (ErrorDocument, *known):
        lines += ["", f"## {_title(model)}", "", " ".join((model.__doc__ or "").split()), ""]
        lines += ["```json", json.dumps(model.model_json_schema(), indent=1), "```"]
    return "\n".join([*lines, ""])


def _title(model: type[JsonDocument]) -> str:
    return model.__name__.removesuffix("Document")
