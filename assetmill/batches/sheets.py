"""The rows of a spreadsheet's first sheet, every number and date as it was meant."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from assetmill.batches.cells import MAX_ROWS, MAX_UNPACKED_BYTES, Cells, check_head, without_blank_end
from assetmill.errors import InvalidSpec
from assetmill.spec.delimited import visible

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

_EXACT_DIGITS = 15
"""Of a number; Excel turns further ones into zeros while they are typed."""

Value = str | int | float | bool


def read_sheet(source: str, data: bytes) -> Iterator[tuple[int, Cells | str]]:
    """Yield the rows of the first sheet that is not hidden, numbered as the spreadsheet numbers them.

    Raises:
        InvalidSpec: no workbook, a protected one, or one that unpacks to too much.
    """
    try:
        import python_calamine as calamine
    except ModuleNotFoundError as error:
        hint = "install assetmill[xlsx], or save it as CSV UTF-8"
        raise InvalidSpec(source, None, "reading a spreadsheet needs python-calamine", hint) from error
    _check_size(source, data)
    try:
        with calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
            shown = [
                sheet.name
                for sheet in book.sheets_metadata
                if sheet.visible == calamine.SheetVisibleEnum.Visible
                and sheet.typ == calamine.SheetTypeEnum.WorkSheet
            ]
            if not shown:
                raise InvalidSpec(source, None, "has no sheet to read")
            yield from _rows(source, book.get_sheet_by_name(shown[0]))
    except calamine.PasswordError as error:
        raise InvalidSpec(source, None, "is protected by a password", "save it without one") from error
    except calamine.CalamineError as error:
        raise InvalidSpec(source, None, f"is no spreadsheet: {error}", "save it as CSV UTF-8") from error


def _check_size(source: str, data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise InvalidSpec(source, None, "is no spreadsheet, or is protected by a password") from error
    if unpacked > MAX_UNPACKED_BYTES:
        raise InvalidSpec(source, None, "unpacks to too much", "split it")


def _rows(source: str, sheet: CalamineSheet) -> Iterator[tuple[int, Cells | str]]:
    first = sheet.start[0] + 1 if sheet.start else 1
    if sheet.height > MAX_ROWS + 1:
        raise InvalidSpec(source, None, f"has more than {MAX_ROWS} rows", "split it")
    head: list[str] | None = None
    for number, values in enumerate(sheet.to_python(skip_empty_area=True), start=first):
        if all(value == "" for value in values):
            continue
        if head is None:
            head = without_blank_end([visible(str(_plain(value))) for value in values], 0)
            check_head(head, source, number)
        else:
            yield number, _cells(head, values)


def _cells(head: list[str], values: list[Any]) -> Cells | str:
    if any(value != "" for value in values[len(head) :]):
        return f"has a cell beyond the last column that has a name, {head[-1]!r}"
    cells = {name: _plain(value) for name, value in zip(head, values, strict=False)}
    for name, value in cells.items():
        if isinstance(value, int) and abs(value) >= 10**_EXACT_DIGITS:
            return (
                f"column {name!r}: more than {_EXACT_DIGITS} digits of a number are not exact in a "
                "spreadsheet; format the column as text and enter it again"
            )
    return cells


def _plain(value: Any) -> Value:
    """Return a cell as a table of text would have it: a whole number without a point, a date as ISO."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime.datetime):
        is_day = value.time() == datetime.time()
        return value.date().isoformat() if is_day else value.isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return str(value)
    return value.strip() if isinstance(value, str) else value
