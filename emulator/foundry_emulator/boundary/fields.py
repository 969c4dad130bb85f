"""Reads request bodies field by field and refuses what does not fit, in the service's own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from foundry_emulator.boundary.errors import WireError, invalid
from foundry_emulator.jsons import Json

T = TypeVar("T")
_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
}


def type_name(value: object) -> str:
    """Name a JSON value's type as the service does in its messages."""
    if value is None:
        return "null"
    return _NAMES.get(cast(type, type(value)), "a value")


class Fields:
    """One JSON object of a request; `where` is its path, for the `param` of errors."""

    def __init__(self, raw: Json, where: str = "") -> None:
        self.raw = raw
        self._where = where

    def path(self, name: str) -> str:
        """Return the full path of a field."""
        return f"{self._where}.{name}" if self._where else name

    def only(self, *names: str) -> None:
        """Refuse fields that are not among these."""
        for name in self.raw:
            if name not in names:
                raise invalid(
                    f"Unknown parameter: '{self.path(name)}'.", self.path(name), "unknown_parameter"
                )

    def has(self, name: str) -> bool:
        """Say whether a field is there and not null."""
        return self.raw.get(name) is not None

    def need(self, name: str) -> Any:
        """Return a field that has to be there."""
        value = self.raw.get(name)
        if value is None:
            raise invalid(
                f"Missing required parameter: '{self.path(name)}'.",
                self.path(name),
                "missing_required_parameter",
            )
        return value

    def wrong_type(self, name: str, wanted: str) -> WireError:
        """Word the refusal of a value that has another type."""
        got = type_name(self.raw.get(name))
        message = f"Invalid type for '{self.path(name)}': expected {wanted}, but got {got} instead."
        return invalid(message, self.path(name), "invalid_type")

    def _typed(self, name: str, fits: Callable[[object], bool], wanted: str) -> Any:
        value = self.raw.get(name)
        if value is not None and not fits(value):
            raise self.wrong_type(name, wanted)
        return value

    def text(self, name: str, *, max_length: int | None = None) -> str | None:
        """Return a string field, or None."""
        value = self._typed(name, lambda v: isinstance(v, str), "a string")
        if value is not None and max_length is not None and len(value) > max_length:
            message = (
                f"Invalid '{self.path(name)}': string too long. Expected a string with maximum length "
                f"{max_length}, but got a string with length {len(value)} instead."
            )
            raise invalid(message, self.path(name), "string_above_max_length")
        return value

    def need_text(self, name: str, *, max_length: int | None = None) -> str:
        """Return a string field that has to be there and not empty."""
        self.need(name)
        value = self.text(name, max_length=max_length)
        if not value:
            raise invalid(f"Invalid '{self.path(name)}': empty string.", self.path(name), "empty_string")
        return value

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """Return a string field that takes one of a few values, or None."""
        value = self.text(name)
        if value is not None and value not in allowed:
            words = ", ".join(f"'{one}'" for one in allowed)
            message = f"Invalid value: '{value[:80]}'. Supported values are: {words}."
            raise invalid(message, self.path(name), "invalid_value")
        return value

    def boolean(self, name: str) -> bool | None:
        """Return a boolean field, or None."""
        return self._typed(name, lambda v: isinstance(v, bool), "a boolean")

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number within bounds, or None."""
        value = self._typed(name, lambda v: isinstance(v, int) and not isinstance(v, bool), "an integer")
        self._bounded(name, value, low, high, "integer")
        return value

    def number(self, name: str, low: float, high: float) -> float | None:
        """Return a number within bounds, or None."""
        value = self._typed(
            name, lambda v: isinstance(v, (int, float)) and not isinstance(v, bool), "a decimal"
        )
        self._bounded(name, value, low, high, "decimal")
        return value

    def _bounded(self, name: str, value: float | None, low: float, high: float, kind: str) -> None:
        if value is None or low <= value <= high:
            return
        side, bound = ("below_min", low) if value < low else ("above_max", high)
        words = f"Expected a value {'>=' if value < low else '<='} {bound}, but got {value} instead."
        message = f"Invalid '{self.path(name)}': {kind} {side.replace('_', ' ')} value. {words}"
        raise invalid(message, self.path(name), f"{kind}_{side}_value")

    def fields(self, name: str) -> Fields | None:
        """Return an object field for further reading, or None."""
        value = self._typed(name, lambda v: isinstance(v, dict), "an object")
        return None if value is None else Fields(value, self.path(name))

    def items(self, name: str) -> list[Any] | None:
        """Return an array field, or None."""
        return self._typed(name, lambda v: isinstance(v, list), "an array")

    def texts(self, name: str, *, at_most: int = 10_000) -> list[str] | None:
        """Return an array of strings, or None."""
        values = self.items(name)
        if values is None:
            return None
        if len(values) > at_most:
            message = f"Invalid '{self.path(name)}': array too long. Expected at most {at_most} entries."
            raise invalid(message, self.path(name), "array_above_max_length")
        for index, value in enumerate(values):
            if not isinstance(value, str):
                where = f"{self.path(name)}[{index}]"
                raise invalid(f"Invalid type for '{where}': expected a string.", where, "invalid_type")
        return cast("list[str]", values)

    def objects(self, name: str) -> list[Fields] | None:
        """Return an array of objects for further reading, or None."""
        values = self.items(name)
        return None if values is None else [self.element(name, i, v) for i, v in enumerate(values)]

    def element(self, name: str, index: int, value: object) -> Fields:
        """Return one element of an array field as an object."""
        where = f"{self.path(name)}[{index}]"
        if not isinstance(value, dict):
            raise invalid(
                f"Invalid type for '{where}': expected an object, but got {type_name(value)} instead.",
                where,
                "invalid_type",
            )
        return Fields(cast(Json, value), where)

    def metadata(self, name: str = "metadata") -> Json | None:
        """Return metadata: 16 pairs at most, keys up to 64 and values up to 512 characters."""
        pairs = self.fields(name)
        if pairs is None:
            return None
        if len(pairs.raw) > 16:
            raise invalid(
                f"Invalid '{self.path(name)}': too many properties.",
                self.path(name),
                "object_above_max_properties",
            )
        for key in pairs.raw:
            if len(key) > 64:
                raise invalid(
                    f"Invalid '{self.path(name)}': key too long.", self.path(name), "string_above_max_length"
                )
            if pairs.text(key, max_length=512) is None:
                raise pairs.wrong_type(key, "a string")
        return pairs.raw
