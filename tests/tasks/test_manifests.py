from __future__ import annotations

import html
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from assetmill.records import RunManifest, StageEntry
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.memory import MemoryStore
from tasks.flow_runs import name_of
from tasks.manifests import MOST_THUMBNAIL_BYTES, SmallPicture, report, thumbnails
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, chain=CHAIN), MemoryStore(), painter())
    yield services
    services.close()


def test_a_report_has_a_row_for_every_stage_and_no_bytes(services: Services) -> None:
    text = report(run_here(services, "chain"))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| Stage", "| first", "| second"]
    assert "first.png" in rows[1]
    assert len(text) < 1000


def test_a_hostile_error_text_stays_inside_its_cell(services: Services) -> None:
    manifest = run_here(services, "chain")
    entry = StageEntry(
        stage="x", status="failed", error="a | b\n<script>`# head" + "x" * 1000, spent_usd=None
    )
    hostile = RunManifest.model_validate({**vars(manifest), "stages": (entry,)})
    row = report(hostile).splitlines()[-1]
    assert row.startswith("| x | failed |  | ? | a &#124; b &#60;script&#62;&#96;")
    assert len(row) < 450


@pytest.mark.parametrize(
    "text", ["![a](https://x.invalid/p.png)", "[a](javascript:x)", "*b* _i_ ~s~ @who www.x.invalid"]
)
def test_no_text_is_a_picture_a_link_or_a_name(services: Services, text: str) -> None:
    manifest = run_here(services, "chain")
    entry = StageEntry(stage="x", status="failed", error=text, spent_usd=None)
    row = report(RunManifest.model_validate({**vars(manifest), "stages": (entry,)})).splitlines()[-1]
    assert not set("[]!*_~") & set(row)
    assert "://" not in row
    assert "@who" not in row
    assert "www.x" not in row


def test_an_unknown_cost_is_not_shown_as_zero(services: Services) -> None:
    manifest = run_here(services, "chain").model_copy(update={"spent_usd": None, "finished_at": time.time()})
    assert "spent unknown" in report(manifest)


def test_a_report_shows_small_pictures_and_where_to_look_at_them(services: Services) -> None:
    manifest = run_here(services, "chain")
    pictures = thumbnails(manifest, services)
    names = [asset.name for asset in manifest.assets() if asset.kind == "picture"]
    assert [one.name for one in pictures] == names
    text = report(manifest, pictures, "https://review.example.com/")
    assert text.count("![](data:image/webp;base64,") == len(names)
    assert text.endswith("(https://review.example.com/)\n")
    assert len(text) < 2 * MOST_THUMBNAIL_BYTES
    for page in ("", "javascript:alert(1)", "https://a.example/) ![x](https://evil.example"):
        assert "review page" not in report(manifest, pictures, page)


def test_a_hostile_name_of_a_picture_is_shown_and_does_nothing(services: Services) -> None:
    hostile = "![x](https://evil.example/a.png) | <script>alert(1)</script>\n# `head`"
    text = report(run_here(services, "chain"), [SmallPicture(hostile, b"RIFF")])
    seen = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert seen.count("<img") == 1
    assert "<script" not in seen
    assert "evil.example/a.png)" in html.unescape(seen)
    assert seen.count("<h1>") == 1


def test_a_picture_that_is_lost_keeps_no_report_from_being_written(services: Services) -> None:
    manifest = run_here(services, "chain")
    pictures = [asset for asset in manifest.assets() if asset.kind == "picture"]
    lost = pictures[0].blob.digest
    services.backend.delete(layout.blob(lost))
    there = [asset.name for asset in pictures if asset.blob.digest != lost]
    assert [one.name for one in thumbnails(manifest, services)] == there
    assert len(there) < len(pictures)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({}, "poster"),
        ({"product": "Aurora lamp", "count": 3}, "poster product=Aurora lamp count=3"),
        ({"product": "a\nb\x1b[31m"}, "poster product=a b [31m"),
        ({"product": "x" * 50}, f"poster product={'x' * 37}..."),
    ],
)
def test_a_flow_run_is_called_by_its_pipeline_and_parameters(
    parameters: dict[str, object], name: str
) -> None:
    assert name_of("poster", parameters) == name
    assert len(name_of("poster", {f"p{number}": "x" * 50 for number in range(9)})) == 120
