"""Two JSON values side by side: what one has and the other lacks, as paths without numbers.

Recordings and the emulator never agree on words, IDs, times and counts. What has to agree is which fields
there are, what kind of value they hold, and the values of a closed set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from foundry_emulator.jsons import Json

LEFT_OUT = "***"
"""What a recording has in the place of words that it does not tell."""
Kind = Literal["missing", "extra", "kind", "value", "form"]

_ID = re.compile(r"([a-z]+[_-])([A-Za-z0-9]{16,})(\.\w+)?")
_HEX = re.compile(r"[0-9a-f]+")
_FREE = frozenset(
    {
        *("text", "instructions", "code", "description", "name", "model", "revised_prompt", "arguments"),
        *("delta", "obfuscation", "logs", "version", "filename", "result", "output", "server_url", "queries"),
        *("partition_key", "request_id", "modelName", "modelVersion", "modelPublisher", "id", "server_label"),
        *(
            "first_id",
            "last_id",
            "search_query",
            "path",
            "display_name",
            "principal_id",
            "client_id",
            "agent_guid",
            "blueprint",
        ),
    }
)
"""Fields whose text is anybody's: only that it is text has to agree."""
_OPEN = frozenset(
    {"metadata", "parameters", "input_schema", "attributes", "structured_inputs", "schema", "headers"}
)
"""Objects whose keys are the caller's own."""


@dataclass(frozen=True, order=True)
class Difference:
    """One field that the real service and the emulator do not have alike."""

    field: str
    kind: Kind
    recorded: str = ""
    here: str = ""


def differences(recorded: Any, here: Any, path: str = "body") -> Iterator[Difference]:
    """Compare two JSON values."""
    if isinstance(recorded, dict) and isinstance(here, dict):
        yield from _objects(cast(Json, recorded), cast(Json, here), path)
    elif isinstance(recorded, list) and isinstance(here, list):
        yield from _lists(cast("list[Any]", recorded), cast("list[Any]", here), path)
    elif _kind(recorded) != _kind(here):
        if not is_measured(recorded):
            yield Difference(path, "kind", _short(recorded), _short(here))
    elif isinstance(recorded, str):
        yield from _texts(recorded, str(here), path)
    elif isinstance(recorded, bool) and recorded != here and not path.endswith("has_more"):
        yield Difference(path, "value", _short(recorded), _short(here))


def _objects(recorded: Json, here: Json, path: str) -> Iterator[Difference]:
    name = path.rpartition(".")[2].removesuffix("[]")
    if name in _OPEN and path != "headers":
        return
    for key, value in recorded.items():
        if key in here:
            yield from differences(value, here[key], f"{path}.{key}")
        else:
            yield Difference(f"{path}.{key}", "missing", _short(value))
    for key, value in here.items():
        if key not in recorded:
            yield Difference(f"{path}.{key}", "extra", "", _short(value))


def _lists(recorded: list[Any], here: list[Any], path: str) -> Iterator[Difference]:
    """Compare entry by entry of the same type: how many there are is the model's affair."""
    if bool(recorded) != bool(here):
        yield Difference(f"{path}[]", "missing" if recorded else "extra", _short(recorded), _short(here))
        return
    if set(by_type(recorded)) == {""}:
        for entry, own in zip(recorded, here, strict=False):
            yield from differences(entry, own, f"{path}[]")
        return
    ours = by_type(here)
    for kind, entry in by_type(recorded).items():
        label = f"{path}[{kind}]" if kind else f"{path}[]"
        if kind in ours:
            yield from differences(entry, ours[kind], label)
        else:
            yield Difference(label, "missing", _short(entry))


def by_type(entries: Sequence[Any]) -> dict[str, Any]:
    """Return the first entry of each type; entries without one are of type ''."""
    found: dict[str, Any] = {}
    for entry in entries:
        fields = cast(Json, entry) if isinstance(entry, Mapping) else {}
        found.setdefault(str(fields.get("type") or fields.get("source_type") or ""), entry)
    return found


def _texts(recorded: str, here: str, path: str) -> Iterator[Difference]:
    name = path.rpartition(".")[2]
    theirs, ours = _ID.fullmatch(recorded), _ID.fullmatch(here)
    if theirs and ours:
        if _form(theirs) != _form(ours):
            yield Difference(path, "form", _form(theirs), _form(ours))
    elif name not in _FREE and not _says(recorded, here):
        yield Difference(path, "value", _short(recorded), _short(here))


def _form(match: re.Match[str]) -> str:
    letters = "hex" if _HEX.fullmatch(match[2]) else "letters"
    return f"{match[1]}{letters}*{len(match[2])}{match[3] or ''}"


def _says(recorded: str, here: str) -> bool:
    """Say whether two texts agree, but for what names something and what the recording leaves out."""
    parts = [re.escape(_worded(part)) for part in recorded.split(LEFT_OUT)]
    return re.fullmatch(".*".join(parts), _worded(here), re.DOTALL) is not None


def _worded(text: str) -> str:
    """Return a sentence with what names something left out."""
    return re.sub(r"'[^']*'|\b[a-z]+[_-][A-Za-z0-9]{16,}\b|\b[0-9a-f]{32}\b|\d+", "*", text)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if value is None:
        return "null"
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "object"


def is_measured(value: Any) -> bool:
    """Say whether a recording gives the measures of a picture in the place of its bytes."""
    return isinstance(value, dict) and set(cast(Json, value)) <= {
        "base64_of",
        "bytes_of",
        "data_url_of",
        "length",
        "sha256",
    }


def _short(value: Any) -> str:
    if isinstance(value, (dict, list)):
        inner = ", ".join(str(one) for one in list(cast("list[Any]", value))[:6])
        return f"{{{inner}}}" if isinstance(value, dict) else f"[{len(cast('list[Any]', value))}]"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
