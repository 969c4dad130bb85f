"""The report of a diff: rows with their pictures, as text, as Markdown and as a page without a script."""

from __future__ import annotations

import base64
import difflib
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from assetmill.cli.options import usd
from assetmill.cli.written import rows_that_fit
from assetmill.locking.comparing import Comparison, compare_looks, open_picture
from assetmill.locking.differences import Change, cost_of, reasons
from assetmill.locking.models import LockedAsset
from assetmill.looking import Look
from assetmill.markdown import cell, code, one_line

_WIDEST = 720
_TALLEST = 720
_QUALITY = 82
_TEXT_LINES = 160
_TEXT_BYTES = 256 * 1024
_COMPARED_LINES = 4000
"""Of 80,000 short lines, which fit into those bytes, a comparison took half a minute."""
_ROWS = 200
_IS_TEXT = ("text/", "application/json", "application/yaml", "application/xml")

FindBytes = Callable[[str, LockedAsset], bytes | None]


@dataclass(frozen=True)
class ChangedRow:
    """One changed asset as it is shown. `why` is what decided it; pictures are data URLs, scaled down."""

    change: Change
    why: str
    comparison: Comparison | None
    pictures: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, str], ...]
    note: str

    @property
    def reason(self) -> str:
        """Which deciding fields changed, and what is to be said of the comparison."""
        return _joined([self.why, self.note])

    @property
    def ssim(self) -> str:
        """How alike the two look."""
        known = self.comparison and self.comparison.ssim is not None
        return f"{self.comparison.ssim:.3f}" if known and self.comparison else ""

    @property
    def percent(self) -> str:
        """How much of the picture changed."""
        return f"{self.comparison.changed:.1%}" if self.comparison else ""

    @property
    def cost(self) -> str:
        """What the stage that made the new one cost."""
        return usd(self.change.after.stage_cost_usd) if self.change.after else ""

    @property
    def sizes(self) -> str:
        """Pixels and bytes, of both sides where they differ."""
        change = self.change
        words = [_size(side) for side in (change.before, change.after) if side]
        return " \N{RIGHTWARDS ARROW} ".join(dict.fromkeys(words))

    def document(self) -> dict[str, Any]:
        """Return the row as `--json` shows it."""
        compared = self.comparison
        return {
            "path": self.change.path,
            "change": self.change.kind,
            "stage": self.change.asset.stage,
            "fields": list(self.change.fields),
            "ssim": compared.ssim if compared else None,
            "changed": compared.changed if compared else None,
            "notes": list(compared.notes) if compared else [],
            "stage_cost_usd": self.change.after.stage_cost_usd if self.change.after else None,
            "before": self.change.before.sha256 if self.change.before else None,
            "after": self.change.after.sha256 if self.change.after else None,
        }


@dataclass(frozen=True)
class Report:
    """All rows, and what their stages and those on the way to them cost in US dollars."""

    rows: tuple[ChangedRow, ...]
    spent_usd: float
    unknown: int

    @property
    def total(self) -> str:
        """Everything in one line."""
        kinds = [row.change.kind for row in self.rows]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        tail = f" and {self.unknown} stages of unknown cost" if self.unknown else ""
        return f"{counts or 'nothing changed'}; made for {usd(self.spent_usd)}{tail}"


def report(changes: tuple[Change, ...], on_the_way: tuple[Change, ...], find: FindBytes) -> Report:
    """Compare both sides of every change; `on_the_way` are those that are not shown and cost as well."""
    spent, unknown = cost_of((*changes, *on_the_way))
    everything = {change.path: change for change in (*changes, *on_the_way)}.values()
    rows = (_row(change, ", ".join(reasons(change, everything)), find) for change in changes)
    return Report(tuple(rows), spent, unknown)


def text(found: Report) -> str:
    """Return the rows for a terminal."""
    if not found.rows:
        return "nothing changed"
    width = max(len(row.change.path) for row in found.rows)
    lines: list[str] = []
    for row in found.rows:
        facts = (_named("SSIM", row.ssim), _named("changed", row.percent), row.cost, row.reason)
        tail = "  ".join(filter(None, facts))
        lines.append(one_line(f"{row.change.kind:<8} {row.change.path:<{width}}  {tail}"))
    return "\n".join([*(line.rstrip() for line in lines), found.total])


def markdown(found: Report) -> str:
    """Return the rows as a table for a pull request."""
    if not found.rows:
        return "### assetmill diff\n\nNo asset changed.\n"
    lines = ["### assetmill diff", "", "| Asset | Change | SSIM | Pixels changed | Why | Cost |"]
    lines.append("|---|---|---:|---:|---|---:|")
    rows: list[str] = []
    for row in found.rows:
        cells = (
            code(row.change.path),
            row.change.kind,
            row.ssim,
            row.percent,
            cell(row.reason),
            row.cost,
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, *rows_that_fit(rows, _ROWS), "", f"{found.total}.", ""])


def page(found: Report, base: str) -> str:
    """Return a page that loads nothing and runs nothing, whatever the rows hold."""
    return rendered("diff.html.j2", ("diff.css",), report=found, base=base)


def rendered(template: str, styles: tuple[str, ...], **values: Any) -> str:
    """Return a page from a template of ours, with the only style that it allows."""
    style = "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in styles)
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _template(template).render(style=style, style_sha256=allowed, **values)


@cache
def _template(name: str) -> Any:
    import jinja2

    source = Path(__file__).with_name(name).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)


def _row(change: Change, why: str, find: FindBytes) -> ChangedRow:
    old = find(change.path, change.before) if change.before else None
    new = find(change.path, change.after) if change.after else None
    before, after = (open_picture(data) if data else None for data in (old, new))
    sides = (("before", change.before, old, before), ("after", change.after, new, after))
    lost = [name for name, side, data, _ in sides if side and data is None]
    odd = [name for name, side, data, seen in sides if side and side.kind == "picture" and data and not seen]
    notes = [f"the bytes of {' and '.join(lost)} were not found"] if lost else [_surprise(change)]
    notes += [f"{name} is not shown: no whole picture, or too large a one" for name in odd]
    if before is None and after is None:
        return ChangedRow(change, why, None, (), tuple(_text_lines(change, old, new)), _joined(notes))
    comparison = compare_looks(before, after) if before and after else None
    if comparison:
        notes += ["scaled to the size before to be compared"] if comparison.is_resized else []
        notes += comparison.notes
    shown = _shown(comparison, before, after)
    return ChangedRow(
        change, why, comparison, tuple((name, data_url(p)) for name, p in shown if p), (), _joined(notes)
    )


def _shown(
    comparison: Comparison | None, before: Look | None, after: Look | None
) -> tuple[tuple[str, Image.Image | None], ...]:
    if comparison:
        return ("Before", comparison.before), ("After", comparison.after), ("Change", comparison.heat_map)
    firsts = [look.first(_WIDEST) if look else None for look in (before, after)]
    return ("Before", firsts[0]), ("After", firsts[1])


def _joined(parts: list[str]) -> str:
    return "; ".join(filter(None, parts))


def _surprise(change: Change) -> str:
    """Say it when nothing explains a change: a picture put into the lock by hand looks like this."""
    sides = (change.before, change.after)
    is_same = all(sides) and len({side.fingerprint for side in sides if side}) == 1
    return "other bytes, though nothing that decides them changed" if is_same else ""


def data_url(picture: Image.Image) -> str:
    """Return a picture, scaled down, as the address that a page shows it by."""
    scaled = picture.copy()
    scaled.thumbnail((_WIDEST, _TALLEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    scaled.save(buffer, "WEBP", quality=_QUALITY, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _text_lines(change: Change, old: bytes | None, new: bytes | None) -> Iterator[tuple[str, str]]:
    """Yield the lines of a unified diff with what they are; nothing for what is no text, or too long."""
    sides = [side or b"" for side in (old, new)]
    if not change.asset.media_type.startswith(_IS_TEXT) or max(map(len, sides)) > _TEXT_BYTES:
        return
    before, after = (side.decode(errors="replace").splitlines() for side in sides)
    if max(len(before), len(after)) > _COMPARED_LINES:
        yield "place", f"more than {_COMPARED_LINES} lines"
        return
    kinds = {"+": "new", "-": "old", "@": "place"}
    found = list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]
    for line in found[:_TEXT_LINES]:
        yield kinds.get(line[:1], ""), line
    if len(found) > _TEXT_LINES:
        yield "place", f"... and {len(found) - _TEXT_LINES} more lines"


def _size(asset: LockedAsset) -> str:
    size = asset.size_bytes
    amount = f"{size / 1024:.0f} KB" if size >= 1024 else f"{size} B"
    pixels = (asset.pixels or "").replace("x", " \N{MULTIPLICATION SIGN} ")
    return f"{pixels}, {amount}" if pixels else amount


def _named(name: str, value: str) -> str:
    return f"{name} {value}" if value else ""
