"""Dated data in TOML files that people edit: every value is checked, every fault is named with its line.

A row says where it comes from: its `source` names entries of the file's `[sources]`, each a title and the day
on which it was read. In a file without `[sources]` a source is free text.
"""

from __future__ import annotations

import datetime
import functools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar, cast

import tomli

from assetmill.errors import InvalidSpec
from assetmill.spec.reading import nearest, read_bytes

PROVIDERS = ("azure", "openai")
"""Who serves models: the same model ends on different days, and costs differently, at each."""


T = TypeVar("T")


def read_once(load: Callable[[Path], T]) -> Callable[[Path], T]:
    """Let a file be read again only when it has changed: one plan asks for the same table several times."""

    @functools.lru_cache(maxsize=8)
    def loaded(path: Path, version: tuple[int, int, int] | None) -> T:
        return load(path)

    def read(path: Path) -> T:
        try:
            found = path.stat()
        except OSError:
            return load(path)  # which says what is wrong with it
        return loaded(path, (found.st_mtime_ns, found.st_size, found.st_ino))

    return read


class Source(NamedTuple):
    """Where a figure was read, and on which day; None when the file does not say."""

    title: str
    day: datetime.date | None = None

    def __str__(self) -> str:
        return f"{self.title}, {self.day}" if self.day else self.title


class TableRow:
    """One table of a file. Each key is asked for once; `close` refuses those that nobody asked for."""

    def __init__(self, table: DataTable, values: Mapping[str, Any], line: int, place: str) -> None:
        self.table, self.values, self.line, self._place = table, values, line, place
        self._asked: set[str] = set()

    def refuse(self, key: str, message: str, hint: str = "", item: int | None = None) -> NoReturn:
        """Raise what is wrong with a key of this row, or with one item of its list."""
        raise InvalidSpec(str(self.table.path), self.table.line_of(self.line, key, item), message, hint)

    def has(self, key: str) -> bool:
        """Say whether the row gives a key."""
        return self.get(key) is not None

    def get(self, key: str) -> Any:
        """Return a value as it stands, None when there is none."""
        self._asked.add(key)
        return self.values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text that is not empty; without a default it must be there."""
        value = self.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip():
            self.refuse(key, f"{self._place}: {key} must be a text, not {value!r}")
        return value

    def words(self, key: str, known: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return a list of texts, () when there is none."""
        value = self.get(key)
        listed = cast("list[object]", value) if isinstance(value, list) else [] if value is None else [value]
        for word in listed:
            if not isinstance(word, str) or not word or (known and word not in known):
                hint = nearest(str(word), known) if known else ""
                self.refuse(key, f"{self._place}: {key} cannot hold {word!r}", hint)
        return tuple(map(str, listed))

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Return true or false."""
        value = self.get(key)
        value = default if value is None else value
        if not isinstance(value, bool):
            self.refuse(key, f"{self._place}: {key} must be true or false, not {value!r}")
        return value

    def count(self, key: str, default: int | None = None) -> int:
        """Return a whole number of at least 0."""
        value = self.get(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.refuse(key, f"{self._place}: {key} must be a whole number of at least 0, not {value!r}")
        return value

    def usd(self, key: str) -> float:
        """Return an amount of dollars of at least 0."""
        found = self.optional_usd(key)
        if found is None:
            self.refuse(key, f"{self._place}: {key} is missing", "give an amount in dollars")
        return found

    def optional_usd(self, key: str) -> float | None:
        """Return an amount of dollars, None where it is unknown."""
        value = self.get(key)
        return None if value is None else self.amount(key, value)

    def amount(self, key: str, value: object) -> float:
        """Return a value of this key as a number of at least 0."""
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            self.refuse(key, f"{self._place}: {key} must be a number, not {value!r}")
        if value < 0:
            self.refuse(key, f"{self._place}: {key} is {value}: an amount is never negative")
        return float(value)

    def day(self, key: str) -> datetime.date:
        """Return a day."""
        value = self.get(key)
        if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
            self.refuse(key, f"{self._place}: {key} must be a day, not {value!r}", "write it as 2027-10-21")
        return value

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Return a table inside this row, empty when there is none."""
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            self.refuse(key, f"{self._place}: {key} must be a table, not {value!r}")
        return cast("Mapping[str, Any]", value or {})

    def by_provider(self, key: str, part: str = "") -> Mapping[str, Any]:
        """Return what a key, or a part of its table, says for each provider; a bare value counts for all."""
        value = self.mapping(key).get(part) if part else self.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            return dict.fromkeys(PROVIDERS, value)
        given = cast("Mapping[str, Any]", value)
        for name in given:
            if name not in PROVIDERS:
                self.refuse(key, f"{self._place}: unknown provider {name!r}", nearest(name, PROVIDERS))
        return given

    def items(self, key: str) -> Iterator[TableRow]:
        """Yield the tables of a list, each as a row whose faults point at its own line."""
        value = self.get(key)
        if value is not None and not isinstance(value, list):
            self.refuse(key, f"{self._place}: {key} must be a list of tables, not {value!r}")
        for number, item in enumerate(cast("list[object]", value or [])):
            if not isinstance(item, dict):
                self.refuse(key, f"{self._place}: {key} must hold tables, not {item!r}", item=number)
            yield _Item(self, key, number, cast("Mapping[str, Any]", item))

    def sources(self, key: str = "source") -> tuple[Source, ...]:
        """Return where the row comes from; it must say so.

        Raises:
            InvalidSpec: none is named, or the file's `[sources]` lack it.
        """
        names = self.words(key)
        if not names:
            self.refuse(key, f"{self._place}: no {key}", "name an entry of [sources]")
        known = self.table.sources
        for name in names:
            if known and name not in known:
                self.refuse(key, f"{self._place}: unknown source {name!r}", nearest(name, known))
        return tuple(known.get(name, Source(name)) for name in names)

    def close(self) -> None:
        """Refuse keys that nobody asked for: a misspelt one would else be a figure that does not count."""
        for key in self.values:
            if key not in self._asked:
                self.refuse(key, f"{self._place}: unknown key {key!r}", nearest(key, self._asked))


class _Item(TableRow):
    """A table in a list of a row."""

    def __init__(self, row: TableRow, key: str, number: int, values: Mapping[str, Any]) -> None:
        super().__init__(row.table, values, row.line, f"{row.values.get('name', key)}: {key}")
        self._row, self._key, self._number = row, key, number

    def refuse(self, key: str, message: str, hint: str = "", item: int | None = None) -> NoReturn:
        del key, item
        self._row.refuse(self._key, message, hint, self._number)


class DataTable:
    """A file of dated data."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = read_bytes(path).decode()
            self.value: Mapping[str, Any] = tomli.loads(self._text)
        except UnicodeDecodeError as error:
            raise InvalidSpec(str(path), None, f"is not UTF-8 text: {error.reason}") from error
        except tomli.TOMLDecodeError as error:
            raise InvalidSpec(str(path), error.lineno, f"is not TOML: {error.msg}") from error
        self._lines = self._text.splitlines()
        self.sources: Mapping[str, Source] = dict(self._read_sources())

    def _read_sources(self) -> Iterator[tuple[str, Source]]:
        row = self.section("sources")
        for name in row.values:
            entry = row.mapping(name)
            day = entry.get("day")
            if not isinstance(entry.get("title"), str) or type(day) is not datetime.date or len(entry) != 2:
                row.refuse(name, f"source {name!r} needs a title and a day")
            yield name, Source(str(entry["title"]), day)

    def day(self, key: str) -> datetime.date:
        """Return a day at the top of the file."""
        return TableRow(self, self.value, 1, self.path.name).day(key)

    def rows(self, name: str, key: str) -> Iterator[tuple[str, TableRow]]:
        """Yield the rows under `[[name]]` with the name that their `key` gives.

        Raises:
            InvalidSpec: not a list of tables, or two rows of one name, aliases included.
        """
        value = self.value.get(name, [])
        if not isinstance(value, list):
            raise InvalidSpec(str(self.path), None, f"{name} must be a list of tables", f"write [[{name}]]")
        is_header = re.compile(rf"\s*\[\[\s*{name}\s*\]\]").match
        headers = [n for n, line in enumerate(self._lines, 1) if "[[" in line and is_header(line)]
        seen: set[str] = set()
        for number, entry in enumerate(cast("list[object]", value)):
            line = headers[number] if number < len(headers) else 1
            if not isinstance(entry, dict):
                raise InvalidSpec(str(self.path), line, f"{name} must hold tables", f"write [[{name}]]")
            row = TableRow(self, cast("Mapping[str, Any]", entry), line, name)
            called = row.text(key)
            row = TableRow(self, row.values, line, called)
            for one in (row.text(key), *row.words("aliases")):
                if one in seen:
                    row.refuse("aliases" if one != called else key, f"{one!r} is given twice")
                seen.add(one)
            yield called, row

    def section(self, name: str) -> TableRow:
        """Return the table `[name]`, empty when there is none."""
        value = self.value.get(name, {})
        line = next((n for n, text in enumerate(self._lines, 1) if text.strip() == f"[{name}]"), 1)
        if not isinstance(value, dict):
            raise InvalidSpec(str(self.path), line, f"{name} must be a table", f"write [{name}]")
        return TableRow(self, cast("Mapping[str, Any]", value), line, name)

    def line_of(self, start: int, key: str, item: int | None = None) -> int:
        """Return the line of a key of the table that begins on `start`, or of an item of its list."""
        named = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=""")
        for number in range(start, len(self._lines) + 1):
            line = self._lines[number - 1]
            if number > start and re.match(r"\s*\[[\[\w]", line):
                break
            if named.match(line):
                return number if item is None else self._line_of_item(number, item)
        return start

    def _line_of_item(self, start: int, item: int) -> int:
        opened = 0
        for number in range(start, len(self._lines) + 1):
            opened += self._lines[number - 1].count("{")
            if opened > item:
                return number
        return start
