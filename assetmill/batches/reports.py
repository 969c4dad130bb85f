"""A batch's summary: as JSON, as Markdown for Prefect, as a page of pictures that loads nothing."""

from __future__ import annotations

import base64
import heapq
import io
from collections import Counter
from typing import Any

from assetmill.batches.records import SETTLED, BatchAsset, BatchManifest, BatchRow
from assetmill.errors import StoreError
from assetmill.looking import Look, over, telling_ground
from assetmill.markdown import cell, code
from assetmill.records import BlobRef
from assetmill.store.blobs import Blobs

MOST_ROWS_IN_MARKDOWN = 300
MOST_PICTURES = 3_000
THUMBNAIL_PX = 160
_PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})


def document(manifest: BatchManifest) -> dict[str, Any]:
    """Return a batch as `--json` shows it."""
    return {
        "batch_id": manifest.batch_id,
        "run_id": manifest.run_id,
        "pipeline": manifest.pipeline,
        "status": manifest.status,
        "reason": manifest.reason,
        "profile": manifest.profile,
        "spent_usd": manifest.spent_usd,
        "budget_usd": manifest.budget_usd,
        "started_at": manifest.started_at,
        "finished_at": manifest.finished_at,
        "flow_run_id": manifest.flow_run_id,
        "states": dict(Counter(row.state for row in manifest.rows)),
        "rows": [_row_json(row) for row in manifest.rows],
    }


def _row_json(row: BatchRow) -> dict[str, Any]:
    stages = [
        stage.model_dump(
            mode="json", include={"label", "status", "fingerprint", "spent_usd", "seconds", "error"}
        )
        for stage in row.stages
    ]
    return {
        "row": row.number,
        "name": row.name,
        "state": row.state,
        "reason": row.reason,
        "missing": list(row.missing),
        "spent_usd": row.spent_usd,
        "stages": stages,
        "assets": [asset.model_dump(mode="json") for asset in row.assets],
    }


def markdown(manifest: BatchManifest) -> str:
    """Return the report that Prefect shows: what failed first, then the rest, as far as there is room."""
    shown = heapq.nsmallest(MOST_ROWS_IN_MARKDOWN, manifest.rows, key=lambda row: (row.is_done, row.number))
    states = Counter(row.state for row in manifest.rows)
    counts = ", ".join(f"{states[state]} {state}" for state in sorted(states, key=SETTLED.__contains__))
    lines = [
        f"# {cell(manifest.pipeline)}: {manifest.status}",
        "",
        *([f"**{cell(manifest.reason)}**", ""] if manifest.reason else []),
        f"Batch `{manifest.batch_id}`, {manifest.finished_at - manifest.started_at:.0f} s, {counts}; "
        f"spent {_usd(manifest.spent_usd)}, profile {code(manifest.profile)}.",
        f"Pictures: `assetmill contact-sheet {manifest.batch_id} sheet.html`",
        "",
        "| Row | Name | State | Spent | Made |",
        "|---:|---|---|---:|---|",
        *(_line(row) for row in shown),
    ]
    if more := len(manifest.rows) - len(shown):
        lines += ["", f"and {more} more rows"]
    return "\n".join(lines) + "\n"


def _line(row: BatchRow) -> str:
    made = ", ".join(f"{cell(asset.name)} {code(asset.asset_id)}" for asset in row.assets[:4])
    cells = (str(row.number), cell(row.name), row.state, _usd(row.spent_usd), cell(row.reason or "") or made)
    return "| " + " | ".join(cells) + " |"


def _usd(amount: float | None) -> str:
    return "$?" if amount is None else f"${amount:.4f}"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ m.pipeline }} {{ m.batch_id }}</title>
<style>
body{font:14px/1.4 system-ui,sans-serif;margin:2rem;color:#1c2326;background:#fafbfb}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:12px}
article{background:#fff;border:1px solid #d9e0e2;border-radius:8px;padding:10px;overflow-wrap:anywhere}
article.bad{border-color:#b3402a;background:#fdf3f0}
img{max-width:100%;display:block;margin:4px 0;border-radius:4px}
small,figcaption{color:#556468}figure{margin:0}p{margin:4px 0}
</style></head><body>
<h1>{{ m.pipeline }}: {{ m.status }}</h1>
{% if m.reason %}<p><strong>{{ m.reason }}</strong></p>{% endif %}
<p>Batch {{ m.batch_id }}, {{ counts }}; spent {{ spent }}.</p>
{% if left %}<p>Pictures named without being shown, as the page would be too large: {{ left }}.</p>{% endif %}
<main>
{% for row in rows %}<article{% if row.is_bad %} class="bad"{% endif %}>
<strong>{{ row.name }}</strong> <small>{{ row.number }} {{ row.state }} {{ row.spent }}</small>
{% if row.reason %}<p>{{ row.reason }}</p>{% endif %}
{% for made in row.made %}<figure>{% if made.picture %}<img alt="{{ made.name }}" loading="lazy"
 src="{{ made.picture }}">{% endif %}<figcaption>{{ made.name }}<br>
<small>{{ made.asset_id }}</small></figcaption></figure>{% endfor %}
</article>
{% endfor %}</main></body></html>
"""


def contact_sheet(manifest: BatchManifest, blobs: Blobs) -> str:
    """Return one HTML page with every row and a thumbnail of every picture; it loads nothing."""
    from jinja2 import Environment

    thumbnails = _Thumbnails(blobs)
    rows = [
        {
            "name": row.name,
            "number": "" if row.name == f"row {row.number}" else f"row {row.number},",
            "state": row.state,
            "spent": _usd(row.spent_usd),
            "reason": row.reason,
            "is_bad": not row.is_done,
            "made": [
                {"name": asset.name, "asset_id": asset.asset_id, "picture": thumbnails.of(asset)}
                for asset in row.assets
            ],
        }
        for row in manifest.rows
    ]
    counts = ", ".join(
        f"{count} {state}" for state, count in Counter(row.state for row in manifest.rows).items()
    )
    page = Environment(autoescape=True).from_string(_PAGE)
    spent = _usd(manifest.spent_usd)
    return page.render(m=manifest, rows=rows, counts=counts, spent=spent, left=thumbnails.left)


class _Thumbnails:
    """Small pictures as data URLs; each digest is read once, and one that is damaged has none."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._made: dict[str, str] = {}
        self.left = 0

    def of(self, asset: BatchAsset) -> str:
        if asset.media_type not in _PICTURES:
            return ""
        if asset.digest not in self._made:
            if len(self._made) >= MOST_PICTURES:
                self.left += 1
                return ""
            self._made[asset.digest] = self._make(asset)
        return self._made[asset.digest]

    def _make(self, asset: BatchAsset) -> str:
        ref = BlobRef(digest=asset.digest, size_bytes=asset.size_bytes, media_type=asset.media_type)
        try:
            seen = Look(self._blobs.get(ref)).first(THUMBNAIL_PX)
        except (StoreError, OSError, SyntaxError, ValueError):
            return ""
        # JPEG has no transparency.
        flat = over(seen, telling_ground(seen))
        data = io.BytesIO()
        flat.save(data, "JPEG", quality=75)
        return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
