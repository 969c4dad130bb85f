"""Cuts lists into pages as each surface does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from foundry_emulator.boundary.errors import invalid
from foundry_emulator.routes.endpoint import Call

T = TypeVar("T")


def limit_of(call: Call, default: int = 20, most: int = 100) -> int:
    """Return the page size that was asked for."""
    text = call.query("limit")
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= most:
        raise invalid(f"Invalid 'limit': expected an integer from 1 to {most}.", "limit")
    return int(text)


def page(
    call: Call, entries: Sequence[T], name: Callable[[T], str], *, default: int = 20
) -> tuple[list[T], bool]:
    """Return one page of entries that are given oldest first, and whether more follow.

    `order` (newest first unless told), `after`, `before` and `limit` come from the request. A cursor that is
    not there any more gives an empty page, so that a pager comes to an end.
    """
    order = call.query("order") or "desc"
    if order not in ("asc", "desc"):
        raise invalid("Invalid 'order': use 'asc' or 'desc'.", "order")
    is_heard = not call.project.settings.ignore_list_order
    ordered = list(entries) if order == "asc" and is_heard else list(reversed(entries))
    names = [name(entry) for entry in ordered]
    start, end = 0, len(ordered)
    if after := call.query("after"):
        start = names.index(after) + 1 if after in names else end
    if before := call.query("before"):
        end = names.index(before) if before in names else end
    limit = limit_of(call, default)
    chosen = ordered[start : min(end, start + limit)]
    return chosen, start + len(chosen) < end
