from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.records import RunManifest, StageEntry
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tasks.manifests import report
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
