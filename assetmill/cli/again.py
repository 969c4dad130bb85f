"""The command that asks for a run once more: a hint must work as it stands, and make the same stages."""

from __future__ import annotations

import json
import shlex
from typing import cast

from assetmill.cli.options import given
from assetmill.records import RunStart

_EDITS = "edit"
_OF_AN_EDIT = {
    "mask": "--mask",
    "box": "--box",
    "is_masked_by_alpha": "--mask-from-alpha",
    "references": "--reference",
    "model": "--model",
    "size": "--size",
    "quality": "--quality",
    "replicas": "-n",
    "feather_px": "--feather",
}
"""How what an edit's run keeps of its order is typed."""


def run_again(pipeline: str, start: RunStart | None, after: str = "") -> str:
    """Return the hint that asking for a run once more goes on, with the profile that was named.

    `start` is the run's: what it was given is given again, else another stage would be made.
    """
    tail = f"    {after}" if after else ""
    return f"Next:\n  {asked_again(pipeline, start)}{tail}"


def batch_again(batch_id: str, after: str) -> str:
    """Return the hint that a batch's next pass goes on, with the profile that was named."""
    return f"Next:\n  assetmill batch --again {batch_id}{given('profile')}    {after}"


def asked_again(pipeline: str, start: RunStart | None) -> str:
    """Return the command that asks for a run once more."""
    told = dict(start.parameters) if start else {}
    if "instruction" in told and pipeline == _EDITS:
        words = ["edit", str(told["asset"]), str(told["instruction"])]
        # An order keeps what is neither empty nor zero.
        told.setdefault("feather_px", 0)
        words += [word for name, option in _OF_AN_EDIT.items() for word in _repeated(option, told.get(name))]
    else:
        words = ["run", pipeline]
        words += [word for name, value in told.items() for word in ("-p", f"{name}={_typed(value)}")]
    return f"assetmill {shlex.join(words)}{given('profile')}"


def _repeated(option: str, value: object) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return [word for one in values for word in (option, str(one))]


def _typed(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
