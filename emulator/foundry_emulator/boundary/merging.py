"""JSON merge patches (RFC 7396): objects merge, lists and plain values are replaced, null removes."""

from __future__ import annotations

from typing import Any, cast

from foundry_emulator.jsons import Json, as_object


def merged(before: object, changes: object) -> Any:
    """Return a value with a merge patch applied; what was given stays as it is."""
    if not isinstance(changes, dict):
        return changes
    result = dict(as_object(before))
    for name, value in cast(Json, changes).items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
