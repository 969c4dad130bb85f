"""Reads the history of a ceiling from a store.

A line that is missing, unreadable or another's might be a reservation, so that nobody knows what is still
free: a history with such a line is refused, until a repair has counted it at its highest possible amount.

Lines are copied into pages, so that a process which begins need not ask for each. A page holds what was read
of its lines and never what a process knew of them, and its name says how they were listed then: once a line
is gone or was written anew, the page is not found any more, and the lines themselves are read.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from assetmill.errors import KeyMissing, StoreError
from assetmill.money.history import History, LinePage, MoneyEntry
from assetmill.store import layout
from assetmill.store.backend import Backend, ObjectHead
from assetmill.store.kinds import Unreadable, validated

LINE = re.compile(rf"{layout.MONEY}((?:run|day|batch)/[^/]+|project)/(\d{{8}})")
PAGE_LINES = 200
"""Of a history of 20,000 lines, as many pages as lines behind the last one: about 100 each."""


@dataclass
class ListedLines:
    """What a listing tells of a scope: its lines by number, and the pages that are there."""

    scope: str
    lines: dict[int, ObjectHead] = field(default_factory=dict[int, ObjectHead])
    pages: set[str] = field(default_factory=set[str])

    @property
    def last(self) -> int:
        """The highest number, 0 without a line."""
        return max(self.lines, default=0)

    def page(self, first: int) -> str | None:
        """Return the key of the page of these very lines; None while they are too few or not all there."""
        heads = [self.lines.get(number) for number in range(first, first + PAGE_LINES)]
        told = "".join(f"{head.key} {head.size_bytes} {head.modified_at!r}\n" for head in heads if head)
        if None in heads:
            return None
        return layout.money_page(self.scope, first, hashlib.sha256(told.encode()).hexdigest()[:32])


def read_on(backend: Backend, history: History, *, is_thorough: bool = False) -> None:
    """Take in the lines that came since; with `is_thorough` each by itself, whatever pages say.

    Raises:
        StoreError: one of them is missing, unreadable or another's.
    """
    # At first one listing tells how far it goes; later one question tells that there is nothing new, where
    # listing a batch of thousands each time would cost more than the batch.
    if not history.count:
        _read_listed(backend, history, is_thorough=is_thorough)
    try:
        while history.count:
            _next(backend, history)
    except KeyMissing:
        return


def read_line(backend: Backend, scope: str, number: int) -> MoneyEntry:
    """Return one line.

    Raises:
        KeyMissing: it is not there.
        Unreadable: it is not one.
    """
    return validated(MoneyEntry, backend.get(layout.money_entry(scope, number)))


def numbered(backend: Backend, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield the scope and number of every line below a prefix; what else lies there is none."""
    for entry in backend.list(prefix):
        if found := LINE.fullmatch(entry.key):
            yield found[1], int(found[2])


def keep_pages(backend: Backend, history: History) -> None:
    """Store the pages of what was read line by line, for those who come after.

    Raises:
        StoreUnavailable: the store refuses.
    """
    for key, page in history.unkept.items():
        backend.put(key, gzip.compress(page.model_dump_json().encode(), mtime=0))
    history.unkept.clear()


def _read_listed(backend: Backend, history: History, *, is_thorough: bool) -> None:
    listed = _listed(backend, history)
    while history.count < listed.last:
        first = history.count + 1
        key = None if is_thorough else listed.page(first)
        if key in listed.pages and _take_page(backend, history, key):
            continue
        end = min(first + PAGE_LINES, listed.last + 1)
        try:
            lines = tuple(_next(backend, history) for _ in range(first, end))
        except KeyMissing:
            raise _refused(backend, history, "is missing") from None
        # One that is there and is no page may be a newer version's: a repair says which.
        if key and key not in listed.pages:
            history.unkept[key] = LinePage(scope=history.scope, first=first, lines=lines)


def _listed(backend: Backend, history: History) -> ListedLines:
    listed = ListedLines(history.scope)
    for head in backend.list(history.prefix):
        if found := LINE.fullmatch(head.key):
            listed.lines[int(found[2])] = head
        else:
            listed.pages.add(head.key)
    return listed


def _take_page(backend: Backend, history: History, key: str) -> bool:
    """Take a page in whole; False where it is none, and its lines have to be read."""
    try:
        page = validated(LinePage, backend.get(key))
    except (KeyMissing, Unreadable):
        return False
    trial = replace(history, reserved={}, settled={}, unkept={})
    fits = page.first == history.count + 1 and len(page.lines) == PAGE_LINES and trial.take(page.lines)
    return fits and history.take(page.lines)


def _next(backend: Backend, history: History) -> MoneyEntry:
    """Take in the line after the last.

    Raises:
        KeyMissing: there is none.
        StoreError: it is unreadable, or another's.
    """
    try:
        entry = read_line(backend, history.scope, history.count + 1)
    except Unreadable as error:
        raise _refused(backend, history, f"cannot be read: {error}") from error
    if not history.follows(entry):
        raise _refused(backend, history, "does not follow the line before it")
    history.add(entry)
    return entry


def _refused(backend: Backend, history: History, what: str) -> StoreError:
    key = layout.money_entry(history.scope, history.count + 1)
    return StoreError(
        f"{key} in {backend.name} {what}: what is spent under the ceiling for {history.scope} is not known, "
        "and nothing more is; `assetmill repair` counts it at its highest amount"
    )
