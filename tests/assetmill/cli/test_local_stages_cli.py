"""The commands around local stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from assetmill.cli.fonts import fonts
from assetmill.cli.lint import lint
from assetmill.cli.localise import localise
from tests.assetmill.migrating.test_localising import CUTS
from tests.millworks import settings_in


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings = settings_in(tmp_path, cuts=CUTS)
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASSETMILL_CONFIGS", str(settings.configs))
    return settings.configs / "pipelines" / "cuts.yaml"


def test_lint_names_the_stage_with_its_line_and_its_price(pipeline: Path) -> None:
    done = CliRunner().invoke(lint, ["cuts"])
    assert f"{pipeline}:10: stage 'sizes' asks an agent" in done.output
    assert "would save about $0.0" in done.output


def test_localise_asks_before_it_writes(pipeline: Path) -> None:
    refused = CliRunner().invoke(localise, ["cuts"], input="n\n")
    assert refused.exit_code != 0
    assert pipeline.read_text() == CUTS
    CliRunner().invoke(localise, ["cuts", "--dry-run"])
    assert pipeline.read_text() == CUTS
    done = CliRunner().invoke(localise, ["cuts", "--yes"])
    assert done.output.endswith(f"written: {pipeline}\n")
    assert "make:" in pipeline.read_text()
    again = CliRunner().invoke(localise, ["cuts", "--yes"])
    assert again.output == "cuts: no stage asks an agent for what is made here\n"


def test_localise_as_json_writes_only_when_told_to(pipeline: Path) -> None:
    shown = json.loads(CliRunner().invoke(localise, ["cuts", "--json"]).output)
    assert ([one["stage"] for one in shown["stages"]], shown["is_written"]) == (["sizes"], False)
    assert pipeline.read_text() == CUTS
    assert json.loads(CliRunner().invoke(localise, ["cuts", "--json", "--yes"]).output)["is_written"] is True


def test_fonts_are_told_with_their_scripts_and_the_texts_that_they_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path))
    assert "NotoSansArabicBold      OFL-1.1  264 characters: Arabic" in CliRunner().invoke(fonts, []).output
    told = json.loads(CliRunner().invoke(fonts, ["campaign", "--json"]).output)
    arabic = next(one for one in told["uses"] if "locale=ar" in one["label"] and "USB" in one["text"])
    assert set(arabic["fonts"]) == {"NotoSansArabicBold", "NotoSansBold"}
    assert {one["label"].partition("[")[0] for one in told["uses"]} == {"poster"}
    assert len(told["uses"]) == 64
