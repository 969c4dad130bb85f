"""The changed pictures of a diff as small files, and Markdown that shows them where they lie.

A forge's own command line uploads the files and puts their addresses into the Markdown. So the pictures are
written as Markdown's images (GitHub's rewrites no `<img>`), and the files have names of ours: what an asset
is called gets into no path and no command.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path

from assetmill.cli.diff_page import ChangedRow, Report, markdown
from assetmill.errors import InvalidInput
from assetmill.markdown import code

PAGE = "pictures.md"

_OPEN = 6
"""So many pictures are seen at once; the others are folded, each under its name."""

_MOST = 100
"""More rows than this are counted: three uploads each, and a forge has limits on those too."""

_COMMENT_CHARS = 60_000
_CHECK_CHARS = 12_000
"""What the report of `check` usually takes of a comment that also has the table of the diff."""

_ADDRESS_CHARS = 100
"""An address that a forge gives to an upload is longer than our name of the file."""


def write_pictures(folder: Path, found: Report) -> int:
    """Write the pictures of as many rows as a comment has room for; return the number of files.

    Pictures of an earlier call are removed.

    Raises:
        InvalidInput: the folder cannot be written to.
    """
    rows = [row for row in found.rows if row.pictures]
    blocks = [_block(number, row) for number, row in enumerate(rows, 1)]
    room = _COMMENT_CHARS - _CHECK_CHARS - len(markdown(found))
    shown = _fitting(blocks, rows, room)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("[0-9]*.webp"):
            old.unlink()
        files = [_write(folder, number, row) for number, row in enumerate(rows[:shown], 1)]
        (folder / PAGE).write_text(_page(blocks, shown), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot write pictures into {folder}: {error.strerror or error}") from error
    return sum(files)


def _fitting(blocks: list[str], rows: list[ChangedRow], room: int) -> int:
    for shown, (block, row) in enumerate(zip(blocks, rows, strict=True)):
        room -= len(block) + _ADDRESS_CHARS * len(row.pictures)
        if room < 0 or shown == _MOST:
            return shown
    return len(blocks)


def _page(blocks: list[str], shown: int) -> str:
    if not blocks:
        return ""
    more = len(blocks) - shown
    tail = [f"and {more} more pictures.", ""] if more else []
    return "\n".join(["#### Before and after", "", *blocks[:shown], *tail])


def _block(number: int, row: ChangedRow) -> str:
    said = ", ".join(filter(None, (row.change.kind, _score(row), _share(row))))
    opened = " open" if number <= _OPEN else ""
    names = [(label, _file_name(number, label)) for label, _ in row.pictures]
    lines = [
        f"<details{opened}><summary>{code(row.change.path)} {said}</summary>",
        "",
        _cells(label for label, _ in names),
        _cells("---" for _ in names),
        _cells(f"![{label}]({name})" for label, name in names),
        "",
        "</details>",
        "",
    ]
    return "\n".join(lines)


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _score(row: ChangedRow) -> str:
    return f"SSIM {row.ssim}" if row.ssim else ""


def _share(row: ChangedRow) -> str:
    return f"{row.percent} of the pixels" if row.percent else ""


def _write(folder: Path, number: int, row: ChangedRow) -> int:
    for name, data in _files(number, row):
        (folder / name).write_bytes(data)
    return len(row.pictures)


def _files(number: int, row: ChangedRow) -> Iterator[tuple[str, bytes]]:
    for label, address in row.pictures:
        yield _file_name(number, label), base64.b64decode(address.partition(",")[2])


def _file_name(number: int, label: str) -> str:
    return f"{number:03}-{label.lower()}.webp"
