"""The one message the emulator sends to the child, and the one it gets back.

Named tuples: `dataclasses` would import `inspect`, which costs every run ten milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, cast

Tier = Literal["strong", "landlock", "unsafe", "refused"]
MAX_ERROR_CHARACTERS = 2000

CPU_S = 30
MEMORY_BYTES = 2 << 30
FILE_BYTES = 64 << 20
OPEN_FILES = 256

SYSTEM_TREES = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
"""Where interpreters and shared libraries live."""
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")


class Job(NamedTuple):
    """What to run and between which walls. Paths are host paths unless the name says otherwise.

    `uid` is None when the emulator is an ordinary user: then there is nobody to drop to.
    `keep_search` asks for the one capability that lets another user reach an interpreter below `/root`.
    `fork_room` is how many processes the user may own in all, the run's own included.
    """

    tier: Tier
    code: str
    work: str
    tmp: str
    timeout_s: float
    readable: tuple[str, ...]
    site_paths: tuple[str, ...]
    python: str
    inside_package: str
    uid: int | None = None
    keep_search: bool = False
    fork_room: int = 64
    newest_landlock: int = 99
    bubblewrap: str | None = None
    font_lists: Mapping[str, str] = MappingProxyType({})

    def dump(self) -> bytes:
        """Return the job as JSON."""
        return json.dumps(self._asdict(), default=dict).encode()

    @staticmethod
    def load(data: bytes) -> Job:
        """Read what `dump` wrote."""
        fields = cast("dict[str, object]", json.loads(data))
        for name in ("readable", "site_paths"):
            fields[name] = tuple(cast("list[str]", fields[name]))
        return Job(**fields)  # pyright: ignore[reportArgumentType]  # our own dump, read in our own child


class CellReport(NamedTuple):
    """How a run ended. `error` and `displayed` come from the prison and are as trustworthy as its inmate."""

    exit_code: int | None = None
    signal: int | None = None
    is_timed_out: bool = False
    setup_error: str | None = None
    is_finished: bool = False
    error: str | None = None
    displayed: tuple[str, ...] = ()

    def dump(self) -> bytes:
        """Return the report as JSON."""
        return json.dumps(self._asdict(), default=dict).encode()

    @staticmethod
    def load(data: bytes) -> CellReport:
        """Read a report; anything that is not one counts as a set-up that failed."""
        try:
            fields = cast("object", json.loads(data))
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            said = data.decode("utf-8", "replace").strip()[-MAX_ERROR_CHARACTERS:]
            return CellReport(setup_error=said or "the sandbox ended without a word")
        return CellReport._checked(cast("dict[str, object]", fields))

    @staticmethod
    def _checked(fields: Mapping[str, object]) -> CellReport:
        displayed = fields.get("displayed")
        names = cast("list[object]", displayed) if isinstance(displayed, list) else []
        return CellReport(
            exit_code=_number(fields.get("exit_code")),
            signal=_number(fields.get("signal")),
            is_timed_out=fields.get("is_timed_out") is True,
            setup_error=_text(fields.get("setup_error")),
            is_finished=fields.get("is_finished") is True,
            error=_text(fields.get("error")),
            displayed=tuple(name for name in names if isinstance(name, str)),
        )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    """Keep a text that can be stored: the inmate may have sent half a character or a book."""
    if not isinstance(value, str):
        return None
    return value[:MAX_ERROR_CHARACTERS].encode("utf-8", "replace").decode()
