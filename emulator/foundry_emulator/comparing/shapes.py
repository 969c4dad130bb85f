"""Two JSON values side by side: what one has and the other lacks, as paths without numbers.

Recordings and the emulator never agree on words, IDs, times and counts. What has to agree is which fields
there are, what kind of value they hold, and the values of a closed set.
"""

from __future__ import annotations

import itertools
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
            "blueprint_id",
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
    """Compare every entry with the one of the same type and place.

    What a response has made is played again, so that it has to be as many; how long other lists are is the
    project's affair: where ours is shorter, its last entry is what the rest is compared with.
    """
    if bool(recorded) != bool(here):
        yield Difference(f"{path}[]", "missing" if recorded else "extra", _short(recorded), _short(here))
        return
    theirs, ours, is_made = by_type(recorded), by_type(here), path.endswith(".output")
    for kind in (*theirs, *(kind for kind in ours if kind not in theirs and is_made)):
        label, own = f"{path}[{kind}]", ours.get(kind, [])
        fill = own[-1] if own and not is_made else _NONE
        pairs = itertools.zip_longest(theirs.get(kind, []), own, fillvalue=_NONE)
        for entry, answer in pairs:
            if entry is not _NONE or is_made:
                yield from _alike(entry, fill if answer is _NONE else answer, label)


def _alike(entry: Any, answer: Any, label: str) -> Iterator[Difference]:
    if answer is _NONE:
        yield Difference(label, "missing", _short(entry))
    elif entry is _NONE:
        yield Difference(label, "extra", "", _short(answer))
    else:
        yield from differences(entry, answer, label)


_NONE = object()


def by_type(entries: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the entries of each type in their order; entries without one are of type ''."""
    found: dict[str, list[Any]] = {}
    for entry in entries:
        fields = cast(Json, entry) if isinstance(entry, Mapping) else {}
        found.setdefault(str(fields.get("type") or fields.get("source_type") or ""), []).append(entry)
    return found


def _texts(recorded: str, here: str, path: str) -> Iterator[Difference]:
    name = path.rpartition(".")[2]
    theirs, ours = _ID.fullmatch(recorded), _ID.fullmatch(here)
    if theirs and ours:
        if _form(theirs) != _form(ours):
            yield Difference(path, "form", _form(theirs), _form(ours))
    elif name not in _FREE and not alike(recorded, here):
        yield Difference(path, "value", _short(recorded), _short(here))


def _form(match: re.Match[str]) -> str:
    letters = "hex" if _HEX.fullmatch(match[2]) else "letters"
    return f"{match[1]}{letters}*{len(match[2])}{match[3] or ''}"


def alike(recorded: str, here: str) -> bool:
    """Say whether two texts agree, but for what names something and what the recording leaves out."""
    parts = [re.escape(_worded(part)) for part in recorded.split(LEFT_OUT)]
    return re.fullmatch(".*".join(parts), _worded(here), re.DOTALL) is not None


def _worded(text: str) -> str:
    """Return a sentence with what names something left out."""
    text = re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>", text)
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
