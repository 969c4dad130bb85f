"""A contact sheet of some pictures: one file to send around, as a page or as a PDF."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

from PIL import Image, ImageDraw, ImageFont
from pydantic import BaseModel, ConfigDict, Field

from assetmill.errors import InvalidInput
from assetmill.gallery.tiles import Tile
from assetmill.records import AssetId

MOST_ON_PAGE = 500
MOST_IN_PDF = 120
"""All of its pages are in memory at once: ten of them."""

_PAGE = (1240, 1754)
"""A4 at 150 dots an inch."""
_COLUMNS, _ROWS, _MARGIN, _HEAD, _CAPTION, _GAP = 3, 4, 70, 70, 62, 24
_INK, _SOFT = "#1c1d22", "#5f616b"
_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#1c1d22}h1{font-size:1.3rem}"
    "ul{list-style:none;padding:0;display:grid;gap:1.2rem;"
    "grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}"
    "img{display:block;width:100%;height:15rem;object-fit:contain;background:#f1f0ec;border-radius:8px}"
    "b{display:block;overflow-wrap:anywhere}small{color:#5f616b}@media print{li{break-inside:avoid}}"
)

Thumbnail = Callable[[Tile], bytes | None]


class SheetOrder(BaseModel):
    """What the page wants on a sheet, in this order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    assets: Annotated[tuple[AssetId, ...], Field(min_length=1, max_length=MOST_ON_PAGE)]
    format: Literal["html", "pdf"]


def contact_sheet(title: str, tiles: Sequence[Tile], thumbnail: Thumbnail, kind: str) -> bytes:
    """Return a contact sheet of tiles; one whose picture is lost has its name there.

    Raises:
        InvalidInput: too many for a PDF.
    """
    if kind == "html":
        return _page(title, tiles, thumbnail)
    if len(tiles) > MOST_IN_PDF:
        raise InvalidInput(f"{len(tiles)} pictures: a PDF holds {MOST_IN_PDF}; choose fewer, or HTML")
    each = _COLUMNS * _ROWS
    groups = [tiles[start : start + each] for start in range(0, len(tiles), each)]
    sheets = [_sheet(title, group, thumbnail, number, len(groups)) for number, group in enumerate(groups, 1)]
    data = io.BytesIO()
    sheets[0].save(data, "PDF", save_all=True, append_images=sheets[1:], resolution=150, title=title[:200])
    return data.getvalue()


def _page(title: str, tiles: Sequence[Tile], thumbnail: Thumbnail) -> bytes:
    items = "".join(_item(tile, thumbnail(tile)) for tile in tiles)
    safe = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{safe}</title>'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body><h1>{safe}</h1><ul>{items}</ul></body></html>"
    ).encode()


def _item(tile: Tile, data: bytes | None) -> str:
    name, under = (html.escape(text) for text in _caption(tile))
    if data is None:
        return f"<li><b>{name}</b><small>{under}: its picture is lost</small></li>"
    shown = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
    return f'<li><img alt="{name}" src="{shown}"><b>{name}</b><small>{under}</small></li>'


def _sheet(title: str, tiles: Sequence[Tile], thumbnail: Thumbnail, number: int, of: int) -> Image.Image:
    sheet = Image.new("RGB", _PAGE, "white")
    pen = ImageDraw.Draw(sheet)
    _write(pen, (_MARGIN, _MARGIN), title, size_px=30, colour=_INK, most_px=_PAGE[0] - 3 * _MARGIN)
    _write(
        pen,
        (_PAGE[0] - _MARGIN - 60, _MARGIN + 8),
        f"{number} of {of}",
        size_px=20,
        colour=_SOFT,
        most_px=200,
    )
    for tile, (left, top, width, height) in zip(tiles, _places(), strict=False):
        data = thumbnail(tile)
        if data:
            with Image.open(io.BytesIO(data)) as seen:
                shown = seen.convert("RGBA")
            shown.thumbnail((width, height))
            at = left + (width - shown.width) // 2, top + (height - shown.height) // 2
            sheet.paste(shown, at, shown)
        name, under = _caption(tile)
        _write(pen, (left, top + height + 8), name, size_px=20, colour=_INK, most_px=width)
        said = under if data else "its picture is lost"
        _write(pen, (left, top + height + 34), said, size_px=17, colour=_SOFT, most_px=width)
    return sheet


def _places() -> Iterator[tuple[int, int, int, int]]:
    width = (_PAGE[0] - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) // _COLUMNS
    step = (_PAGE[1] - 2 * _MARGIN - _HEAD) // _ROWS
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            left, top = _MARGIN + column * (width + _GAP), _MARGIN + _HEAD + row * step
            yield left, top, width, step - _CAPTION - _GAP


def _write(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, *, size_px: int, colour: str, most_px: int
) -> None:
    font = ImageFont.load_default(size_px)
    line = " ".join(text.split())[:200]
    while len(line) > 1 and pen.textlength(line, font) > most_px:
        line = line[:-2] + "…"
    pen.text(at, line, colour, font)


def _caption(tile: Tile) -> tuple[str, str]:
    return (tile.row or tile.name, f"{tile.label} · {tile.name}" if tile.row else tile.label)
