"""Plain data with templates in it: found with their places, and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from assetmill.spec.reading import Where

Write = Callable[[Where, str], str]


def texts_of(value: Any, where: Where) -> Iterator[tuple[Where, str]]:
    """Yield every text that may be a template, with its place."""
    if isinstance(value, str):
        if "{" in value:
            yield where, value
    elif isinstance(value, Mapping):
        for key, part in cast(Mapping[str, Any], value).items():
            yield from texts_of(part, (*where, key))
    elif isinstance(value, list):
        for number, part in enumerate(cast(list[Any], value)):
            yield from texts_of(part, (*where, number))


def written(value: Any, where: Where, write: Write) -> Any:
    """Return the data with its templates written."""
    if isinstance(value, str):
        return write(where, value)
    if isinstance(value, Mapping):
        parts = cast(Mapping[str, Any], value).items()
        return {key: written(part, (*where, key), write) for key, part in parts}
    if isinstance(value, list):
        return [written(part, (*where, n), write) for n, part in enumerate(cast(list[Any], value))]
    return value
