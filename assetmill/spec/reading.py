"""YAML as a person writes it, with the line of every value, so that an error can point at it.

Only what a pipeline file needs is read: no tags, no anchors, no aliases, bounded size and depth, and the
scalars of YAML 1.2 (`no` is a locale, not False; `2026-11-22` is text). Events are read one by one, because
a composer recurses as deep as its input says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast

from assetmill.errors import InvalidSpec

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32

Where = tuple[str | int, ...]
"""The way to a value: keys and indexes from the top of the file."""

_WORDS: Mapping[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Document:
    """A file's value, and the line (from 1) on which each part of it begins."""

    path: Path
    value: Any
    lines: Mapping[Where, int]
    source: bytes

    def line(self, where: Iterable[str | int]) -> int | None:
        """Return the line of the value at `where`, or of the nearest part around it that is in the file.

        Parts that the file does not have are skipped: a validator's path also names the model it tried.
        """
        found: Where = ()
        for part in where:
            if (*found, part) in self.lines:
                found = (*found, part)
        return self.lines.get(found)


@dataclass
class Problems:
    """Everything that is wrong with one file, so that a person mends it in one go."""

    document: Document
    found: list[InvalidSpec] = field(default_factory=list[InvalidSpec])

    def add(self, where: Iterable[str | int], message: str, hint: str = "") -> None:
        """Note a problem at a place in the file."""
        self.add_line(self.document.line(where), message, hint)

    def add_line(self, line: int | None, message: str, hint: str = "") -> None:
        """Note a problem on a line of the file."""
        problem = InvalidSpec(str(self.document.path), line, message, hint)
        if str(problem) not in {str(other) for other in self.found}:
            self.found.append(problem)

    def add_in_text(self, where: Iterable[str | int], text: str, line: int, message: str) -> None:
        """Note a problem on a line (from 1) of a text in the file."""
        # A block scalar begins on the line after its key; only then do the text's own lines count.
        start = self.document.line(where)
        is_block = start is not None and "\n" in text.rstrip("\n")
        self.add_line(start + line if start and is_block else start, message)

    def raise_if_any(self) -> None:
        """Raise the problems as one error, one line each, in the order of the file.

        Raises:
            InvalidSpec: there was a problem.
        """
        if not self.found:
            return
        first, *rest = sorted(self.found, key=lambda problem: problem.line or 0)
        if not rest:
            raise first
        head = first.message + (f" ({first.hint})" if first.hint else "")
        raise InvalidSpec(first.path, first.line, "\n".join([head, *map(str, rest)]))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the valid word nearest to `word`, or all of them when they are few."""
    import difflib

    choices = sorted(set(known))
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if choices and len(choices) <= 12:
        return "there are: " + ", ".join(choices)
    return ""


def read_yaml(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        InvalidSpec: unreadable, too large, too deep, not YAML, or more than plain YAML.
    """
    return parse_yaml(path, read_bytes(path))


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Read a whole file that a person wrote.

    Raises:
        InvalidSpec: it cannot be read, is no regular file, or is over `limit` bytes.
    """
    try:
        if not path.is_file():
            raise InvalidSpec(str(path), None, "no such file" if not path.exists() else "not a regular file")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidSpec(str(path), None, f"cannot be read: {reason}") from error
    if len(data) > limit:
        raise InvalidSpec(str(path), None, f"is larger than {limit // 1024} KB")
    return data


def parse_yaml(path: Path, source: bytes) -> Document:
    """Parse YAML text; `path` is for messages. Errors as in `read_yaml`."""
    import yaml

    if len(source) > MAX_BYTES:
        raise InvalidSpec(str(path), None, f"is larger than {MAX_BYTES // 1024} KB")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(path)
    try:
        text = source.decode("utf-8-sig")
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except UnicodeDecodeError as error:
        raise InvalidSpec(str(path), None, f"is not UTF-8 text: {error.reason}") from error
    except yaml.YAMLError as error:
        mark = error.problem_mark or error.context_mark if isinstance(error, yaml.MarkedYAMLError) else None
        line = mark.line + 1 if mark else None
        said = error.problem or error.context if isinstance(error, yaml.MarkedYAMLError) else str(error)
        # Newer parsers have a limit of their own, and may meet it while they read ahead of ours.
        is_deep = "nesting depth" in str(said)
        message = f"is nested more than {MAX_DEPTH} deep" if is_deep else f"is not YAML: {said}"
        raise InvalidSpec(str(path), line, message) from error
    return Document(path, builder.root, builder.lines, source)


class _Builder:
    """Make plain values from parser events."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root: Any = None
        self.lines: dict[Where, int] = {}
        self._open: list[dict[str, Any] | list[Any]] = []
        self._where: list[str | int] = []
        self._key: list[str | None] = []
        self._documents = 0

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        if getattr(event, "anchor", None):
            self._refuse(event, "anchors and aliases are not read here", "write the value out")
        if getattr(event, "tag", None) not in (None, "!"):
            self._refuse(event, f"the tag {event.tag!r} is not read here", "remove it")
        if kind == "ScalarEvent":
            self._scalar(event)
        elif kind == "MappingStartEvent":
            self._start(event, {})
        elif kind == "SequenceStartEvent":
            self._start(event, [])
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._open.pop()
            self._key.pop()
            if self._open:
                self._where.pop()
        elif kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                self._refuse(event, "holds more than one document", "remove the second `---`")

    def _scalar(self, event: Any) -> None:
        inside = self._open[-1] if self._open else None
        if isinstance(inside, dict) and self._key[-1] is None:
            key = str(event.value)
            if key in inside:
                self._refuse(event, f"{key!r} is given twice")
            self._key[-1] = key
            self.lines[(*self._where, key)] = event.start_mark.line + 1
            return
        self._put(event, _scalar_value(event))

    def _start(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._refuse(event, f"is nested more than {MAX_DEPTH} deep")
        if self._open and isinstance(self._open[-1], dict) and self._key[-1] is None:
            self._refuse(event, "a key must be text")
        if self._open:
            self._where.append(self._next())
        else:
            self.lines[()] = event.start_mark.line + 1
        self._attach(event, value, tuple(self._where))
        self._open.append(value)
        self._key.append(None)

    def _put(self, event: Any, value: Any) -> None:
        where = (*self._where, self._next()) if self._open else ()
        self._attach(event, value, where)

    def _next(self) -> str | int:
        inside = self._open[-1]
        return len(inside) if isinstance(inside, list) else str(self._key[-1])

    def _attach(self, event: Any, value: Any, where: Where) -> None:
        self.lines.setdefault(where, event.start_mark.line + 1)
        if not self._open:
            self.root = value
            return
        inside = self._open[-1]
        if isinstance(inside, list):
            inside.append(value)
        else:
            inside[str(self._key[-1])] = value
            self._key[-1] = None

    def _refuse(self, event: Any, message: str, hint: str = "") -> NoReturn:
        raise InvalidSpec(str(self.path), event.start_mark.line + 1, message, hint)


def _scalar_value(event: Any) -> str | int | float | bool | None:
    text = str(event.value)
    if event.style or event.tag == "!":
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def describe(
    errors: Sequence[Mapping[str, Any]], problems: Problems, keys: Mapping[str, Iterable[str]]
) -> None:
    """Note a validator's errors; `keys` says which words each part of the file knows, for the nearest one."""
    places = [tuple(error["loc"]) for error in errors]
    for error, where in zip(errors, places, strict=True):
        # A list that is too short only because none of its items is valid: the items are told.
        if error["type"] == "too_short" and any(p != where and p[: len(where)] == where for p in places):
            continue
        if error["type"] == "extra_forbidden":
            model = next((str(p) for p in reversed(where[:-1]) if str(p) in keys), "")
            problems.add(
                where, f"unknown key {str(where[-1])!r}", nearest(str(where[-1]), keys.get(model, ()))
            )
        elif error["type"] == "union_tag_invalid":
            tag = str(error["ctx"]["tag"])
            problems.add(where, f"unknown tool {tag!r}", nearest(tag, keys["tools"]))
        else:
            place = _place(where, problems.document.value)
            problems.add(where, f"{place}: {_plain(error)}" if where else _plain(error))


def _place(where: Where, value: Any) -> str:
    """Return a place in words: a stage by its name, which nobody has to count to find."""
    if len(where) > 2 and where[0] == "stages" and where[2] != "name":
        # The validator went into it: it is a mapping.
        name = cast("Mapping[str, Any]", value["stages"][where[1]]).get("name")
        if isinstance(name, str):
            return f"stage {name[:80]!r}: {_dotted(where[2:])}"
    return _dotted(where)


def _dotted(where: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in where)


def _plain(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return "is required"
    message = str(error["msg"]).removeprefix("Value error, ")
    value = error.get("input")
    if isinstance(value, str | int | float | bool) and len(str(value)) <= 60:
        return f"{message}, not {value!r}" if message.startswith("Input should") else message
    return message
