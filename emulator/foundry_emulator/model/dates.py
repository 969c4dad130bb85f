"""Dates as people write them, read into ISO form."""

from __future__ import annotations

import re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]*\.?"


def first_date(text: str) -> str | None:
    """Return the first full date in `text` as YYYY-MM-DD, or None."""
    iso = re.search(r"\b(\d{4})-(\d{2})-(\d{2})\b", text)
    if iso:
        return iso.group(0)
    month_first = re.search(rf"\b{_MONTH}\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})\b", text, re.IGNORECASE)
    if month_first:
        return _iso(month_first.group(3), month_first.group(1), month_first.group(2))
    day_first = re.search(
        rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\.?\s+(?:of\s+)?{_MONTH},?\s+(\d{{4}})\b", text, re.IGNORECASE
    )
    if day_first:
        return _iso(day_first.group(3), day_first.group(2), day_first.group(1))
    return None


def _iso(year: str, month: str, day: str) -> str | None:
    number = _MONTHS.index(month.lower()[:3]) + 1
    return f"{year}-{number:02d}-{int(day):02d}" if 1 <= int(day) <= 31 else None
